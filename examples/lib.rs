//! Each example is a program that answers one question; see the files beside this one.
