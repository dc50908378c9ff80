//! Where a program has been handed control groups, its workers' memory is counted by
//! them too. In a machine of their own, since most machines hand out none.

use pool_tests::clean::clean;
use pool_tests::machine;

/// How a program is run `at` a control group: as nobody, and `as_root`.
const BEGINNING: &str = "\
mount -t cgroup2 none /sys/fs/cgroup
cd /sys/fs/cgroup
hand_out() { chown nobody $1 $1/cgroup.procs $1/cgroup.subtree_control $1/cgroup.threads; }
at() { sh -c 'echo $$ > $0/cgroup.procs; shift; exec setpriv --reuid=nobody --clear-groups \"$@\"' \
$1 \"$@\"; }
as_root() { sh -c 'echo $$ > $0/cgroup.procs; shift; exec \"$@\"' $1 \"$@\"; }
";

/// Runs lines there; gives those by which the program tells what has passed.
fn run(lines: &str) -> Vec<String> {
    let said = machine::run(&[env!("CARGO_BIN_EXE_grouped")], &format!("{BEGINNING}{lines}"));
    let passed = said.lines().filter_map(|line| line.strip_prefix("passed: "));
    passed.map(str::to_owned).collect()
}

const IN_GROUPS: [&str; 14] = [
    "each worker has a group",
    "memory that is shared counts",
    "processes that it starts count",
    "the limit of the process comes first",
    "what is lent does not count",
    "another death is another death",
    "what has left its process group is ended too",
    "what does not end is waited for, but not for ever",
    "groups that its tasks have made go with it",
    "groups of others are left in peace",
    "a worker's own pool is counted with the worker",
    "workers that are replaced leave no group",
    "without a limit there is no group",
    "the groups of a program that was killed go with the next pool",
];

#[test]
fn a_user_who_was_handed_a_directory_has_groups_there() {
    let _clean = clean();
    let passed = run("\
echo +memory > cgroup.subtree_control
mkdir unit unit/program
hand_out unit
at unit/program grouped counted");
    assert_eq!(passed, IN_GROUPS);
}

#[test]
fn what_systemd_has_marked_was_handed_out_to_root_too() {
    let _clean = clean();
    let passed = run("\
echo +memory > cgroup.subtree_control
mkdir unit unit/program
grouped mark unit
as_root unit/program grouped grouped
as_root unit/program grouped unkillable");
    assert_eq!(passed, [IN_GROUPS[0], "who is not to be killed is killed by its own group"]);
}

#[test]
fn where_nothing_was_handed_out_there_are_none() {
    let _clean = clean();
    let passed = run("\
mkdir -p without/program
hand_out without
at without/program grouped alone
echo +memory > cgroup.subtree_control
mkdir -p own/others theirs/program within/user/program managed/init.scope managed/program
mkdir -p full/program
hand_out own
at own grouped alone
at theirs/program grouped alone
as_root theirs/program grouped alone
hand_out within
hand_out within/user
at within/user/program grouped alone
hand_out managed
at managed/program grouped alone
hand_out full
echo 2 > full/cgroup.max.descendants
at full/program grouped alone");
    let groups = [
        // Nobody counts memory there.
        "/without/program",
        // What was handed out is the program's own group, which has processes.
        "/own",
        "/theirs/program",
        "/theirs/program",
        // Within another of the user's, which somebody of the user's rules.
        "/within/user/program",
        // It was handed to systemd.
        "/managed/program",
        // There is room for the pool's group, and not for its worker's.
        "/full/program",
    ];
    assert_eq!(passed, groups.map(|group| format!("alone in {group}")));
}
