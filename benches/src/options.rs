//! The command line.

use std::path::PathBuf;

/// How much work to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Figures to publish.
    Full,
    /// The same in small: whether the suite works, and a first impression.
    Quick,
    /// Next to nothing: whether every row runs at all.
    Smoke,
}

impl Effort {
    /// The amount for this effort.
    pub fn pick<T>(self, full: T, quick: T, smoke: T) -> T {
        match self {
            Effort::Full => full,
            Effort::Quick => quick,
            Effort::Smoke => smoke,
        }
    }
}

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    /// How much work to do.
    pub effort: Effort,
    /// Words, one of which a row's name must contain; none stand for all rows.
    pub rows: Vec<String>,
    /// Name the rows instead of measuring them.
    pub list: bool,
    /// Where the report goes.
    pub output: Option<PathBuf>,
}

impl Options {
    /// Reads the arguments after the program's name.
    ///
    /// `cargo bench` adds `--bench`; `cargo test` does not, and may pass on
    /// libtest's options, which mean nothing here.
    pub fn parse(arguments: impl Iterator<Item = String>) -> Result<Options, String> {
        let arguments: Vec<String> = arguments.collect();
        let bench = arguments.iter().any(|argument| argument == "--bench");
        let mut options = Options {
            effort: if bench { Effort::Full } else { Effort::Smoke },
            rows: Vec::new(),
            list: false,
            output: None,
        };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--bench" => {}
                "--quick" if bench => options.effort = Effort::Quick,
                "--list" => options.list = true,
                "--output" => {
                    let path = arguments.next().ok_or("--output needs a path after it")?;
                    options.output = Some(path.into());
                }
                option if option.starts_with('-') => {
                    if bench {
                        return Err(format!(
                            "unknown option {option}; the options are --quick, --list, --output PATH"
                        ));
                    }
                }
                _ => options.rows.push(argument),
            }
        }
        Ok(options)
    }

    /// Whether a row of this name is wanted.
    pub fn selects(&self, row: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|word| row.contains(word.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(String::from))
    }

    #[test]
    fn cargo_test_gets_a_smoke_run_whatever_it_passes_on() {
        assert_eq!(parse("").unwrap().effort, Effort::Smoke);
        assert_eq!(parse("--nocapture").unwrap().effort, Effort::Smoke);
    }

    #[test]
    fn cargo_bench_gets_what_it_asks_for() {
        assert_eq!(parse("--bench").unwrap().effort, Effort::Full);
        let options = parse("--quick call --output t.md --bench").unwrap();
        assert_eq!(options.effort, Effort::Quick);
        assert_eq!(options.output, Some("t.md".into()));
        assert!(options.selects("call") && !options.selects("map"));
        assert!(parse("--bench --fast").unwrap_err().contains("--fast"));
    }
}
