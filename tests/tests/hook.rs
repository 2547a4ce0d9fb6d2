//! The calls of `containers/hook.sh` to docker, nsenter and tc. Each is replaced by a stub, so this
//! also covers what this machine's kernel cannot do.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::PathBuf,
    process::{Command, Output},
};

use beringia_tests::repository;
use tempfile::TempDir;

/// All commands with an effect, distinguished by the name under which they are called. The stub
/// keeps in `$STUB/classes` what tc created where, in `$STUB/gone` which containers have no network
/// between the regions, and in `$STUB/down` which containers do not run. It logs every change in
/// `$STUB/log`.
const STUB: &str = r#"#!/bin/sh
name_of() {
    case $1 in
    *us-east-1 | */1/* | *.11) echo us-east-1 ;;
    *eu-west-1 | */2/* | *.12) echo eu-west-1 ;;
    *) echo ap-northeast-1 ;;
    esac
}
case "$(basename "$0") $*" in
'id -u') cat "$STUB/uid" ;;
'unshare --net sh -c '*)
    case $3$4 in
    *netem*) test -e "$STUB/netem" ;;
    esac
    ;;
*'{{.State.Pid}}'*)
    for word in "$@"; do region=$(name_of "$word"); done
    if [ -e "$STUB/down/$region" ]; then echo 0; exit; fi
    case $region in us-east-1) echo 1 ;; eu-west-1) echo 2 ;; *) echo 3 ;; esac
    ;;
*NetworkSettings*)
    for word in "$@"; do region=$(name_of "$word"); done
    case $region in us-east-1) echo 10.212.0.11 ;; eu-west-1) echo 10.212.0.12 ;; *) echo 10.212.0.13 ;; esac
    ;;
'docker ps'*) ;;
docker*)
    echo "$(basename "$0") $*" >> "$STUB/log"
    for word in "$@"; do region=$(name_of "$word"); done
    case "$*" in
    kill*) touch "$STUB/down/$region" ;;
    start*) rm "$STUB/down/$region" ;;
    'network disconnect'*) touch "$STUB/gone/$region" ;;
    'network connect'*) rm "$STUB/gone/$region" ;;
    esac
    # It has another network then, or none.
    rm -f "$STUB/classes/$region"
    ;;
nsenter*' address show to '*)
    region=$(name_of "$1")
    for word in "$@"; do address=$word; done
    if [ ! -e "$STUB/gone/$region" ]; then echo "7: eth1    inet $address/24 scope global eth1"; fi
    ;;
nsenter*' tc class show '*)
    cat "$STUB/classes/$(name_of "$1")" 2>/dev/null || true
    ;;
nsenter*)
    region=$(name_of "$1")
    shift
    echo "$region: $*" >> "$STUB/log"
    case "$*" in
    'tc class replace '*) echo "class htb $9 root prio 0 rate 1Mbit" >> "$STUB/classes/$region" ;;
    'tc qdisc del '*) rm "$STUB/classes/$region" ;;
    esac
    ;;
esac
"#;

/// A machine on which three regions run in containers, and every command is a stub.
struct Machine {
    directory: TempDir,
}

impl Machine {
    /// Creates a machine that has everything that the hook needs.
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let machine = Self { directory };
        for name in ["bin", "classes", "gone", "down"] {
            fs::create_dir(machine.path(name)).expect("the directory is writable");
        }
        fs::write(machine.path("stub"), STUB).expect("the directory is writable");
        fs::set_permissions(machine.path("stub"), fs::Permissions::from_mode(0o755)).expect("it is ours");
        for name in ["docker", "id", "ip", "nsenter", "tc", "unshare"] {
            symlink("../stub", machine.path("bin").join(name)).expect("the directory is writable");
        }
        // Nothing else is found. The other commands that the hook needs are on every machine.
        for name in ["awk", "basename", "cat", "dirname", "mkdir", "rm", "touch"] {
            let found = std::env::split_paths(&std::env::var_os("PATH").expect("a path"))
                .map(|directory| directory.join(name))
                .find(|program| program.exists());
            let found = found.unwrap_or_else(|| panic!("{name} is on this machine"));
            symlink(found, machine.path("bin").join(name)).expect("the directory is writable");
        }
        fs::write(machine.path("uid"), "0\n").expect("the directory is writable");
        fs::write(machine.path("netem"), "").expect("the directory is writable");
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn call(&self, words: &str) -> Output {
        Command::new(repository().join("containers/hook.sh"))
            .args(words.split(' '))
            .env_clear()
            .env("PATH", self.path("bin"))
            .env("STUB", self.directory.path())
            .env("TMPDIR", self.directory.path())
            .env("BERINGIA_DATA", self.path("data"))
            .output()
            .expect("the hook starts")
    }

    /// The calls that the hook makes for an action, without the words that are the same in all
    /// calls of tc.
    fn does(&self, words: &str) -> Vec<String> {
        let output = self.call(words);
        let printed = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && printed.is_empty(), "{words}: {printed}");
        let log = fs::read_to_string(self.path("log")).unwrap_or_default();
        let _ = fs::remove_file(self.path("log"));
        log.lines().map(|line| line.replace(" dev eth1", "")).collect()
    }

    /// The reason why the hook cannot perform an action; `None` if it can.
    fn refuses(&self, word: &str) -> Option<String> {
        let output = self.call(&format!("can {word}"));
        let printed = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() {
            assert_eq!(printed, "", "can {word}");
            return None;
        }
        assert_eq!(
            (output.status.code(), printed.lines().count()),
            (Some(1), 1),
            "{printed}"
        );
        Some(printed.trim_end().to_owned())
    }
}

/// The rate of a link without a limit.
const NO_LIMIT: &str = "rate 1000gbit";

fn class(region: &str, class: &str, rate: &str) -> String {
    format!("{region}: tc class replace parent 1: classid {class} htb {rate} quantum 1514")
}

fn netem(region: &str, class: &str, does: &str) -> String {
    format!("{region}: tc qdisc replace parent {class} netem limit 10000 {does} {NO_LIMIT}")
}

fn filter(region: &str, class: &str, address: &str) -> String {
    format!("{region}: tc filter add parent 1: protocol ip prio 1 u32 match ip dst {address}/32 flowid {class}")
}

fn root(region: &str) -> String {
    format!("{region}: tc qdisc add root handle 1: htb")
}

#[test]
fn explains_what_it_cannot_do_on_this_machine() {
    let machine = Machine::new();
    let words = [
        "undo",
        "isolate",
        "heal",
        "crash",
        "restart",
        "cut",
        "delay",
        "loss",
        "bandwidth",
    ];
    for word in words {
        assert_eq!(machine.refuses(word), None);
    }
    let cannot = "it can only connect and disconnect containers, kill and start them, cut links, and set their delay, loss and bandwidth";
    assert_eq!(machine.refuses("slow-disk").as_deref(), Some(cannot));

    fs::remove_file(machine.path("netem")).expect("it is there");
    let no_netem = |word: &str| {
        Some(format!(
            "the {word} of links needs netem in this machine's kernel (sch_netem)"
        ))
    };
    assert_eq!(machine.refuses("delay"), no_netem("delay"));
    assert_eq!(machine.refuses("loss"), no_netem("loss"));
    assert_eq!(machine.refuses("bandwidth"), None);

    fs::remove_file(machine.path("bin/tc")).expect("it is there");
    let too_little = |word: &str| {
        Some(format!(
            "to set the {word} of links, run it as root and install nsenter, unshare, ip and tc"
        ))
    };
    assert_eq!(machine.refuses("delay"), too_little("delay"));
    assert_eq!(machine.refuses("bandwidth"), too_little("bandwidth"));
    assert_eq!(machine.refuses("cut"), None);

    fs::write(machine.path("uid"), "1000\n").expect("it is writable");
    let cut =
        "to cut single links, run it as root and install nsenter and ip; it can isolate whole regions without them";
    assert_eq!(machine.refuses("cut").as_deref(), Some(cut));
    assert_eq!(machine.refuses("isolate"), None);
}

#[test]
fn sets_conditions_at_the_source_of_a_link() {
    let machine = Machine::new();
    let (us, eu, ap) = ("us-east-1", "eu-west-1", "ap-northeast-1");
    // 100 ms and up to 40 ms more: around 120 ms, by 20.
    let slow = "delay 120.000ms 20.000ms loss 0%";
    assert_eq!(
        machine.does("delay us-east-1 eu-west-1 both 100 40"),
        [
            root(us),
            class(us, "1:c", NO_LIMIT),
            netem(us, "1:c", slow),
            filter(us, "1:c", "10.212.0.12"),
            root(eu),
            class(eu, "1:b", NO_LIMIT),
            netem(eu, "1:b", slow),
            filter(eu, "1:b", "10.212.0.11"),
        ]
    );
    // Another link that begins there has its own class, and no netem if it needs none.
    assert_eq!(
        machine.does("bandwidth us-east-1 ap-northeast-1 one-way 0.25"),
        [class(us, "1:d", "rate 0.25mbit"), filter(us, "1:d", "10.212.0.13"),]
    );
    assert_eq!(
        machine.does("loss ap-northeast-1 us-east-1 one-way 0.5")[..2],
        [root(ap), class(ap, "1:b", NO_LIMIT)]
    );
}

#[test]
fn conditions_of_a_link_add_up_until_they_are_reset() {
    let machine = Machine::new();
    let us = "us-east-1";
    machine.does("delay us-east-1 eu-west-1 one-way 2.5 0");
    let slow = "delay 2.500ms 0.000ms";
    assert_eq!(
        machine.does("loss us-east-1 eu-west-1 one-way 1.5"),
        [
            class(us, "1:c", NO_LIMIT),
            netem(us, "1:c", &format!("{slow} loss 1.5%"))
        ]
    );
    assert_eq!(
        machine.does("bandwidth us-east-1 eu-west-1 one-way 20"),
        [
            class(us, "1:c", "rate 20mbit"),
            netem(us, "1:c", &format!("{slow} loss 1.5%"))
        ]
    );
    assert_eq!(
        machine.does("delay us-east-1 eu-west-1 one-way 0 0"),
        [
            class(us, "1:c", "rate 20mbit"),
            netem(us, "1:c", "delay 0.000ms 0.000ms loss 1.5%")
        ]
    );
    assert_eq!(
        machine.does("bandwidth us-east-1 eu-west-1 one-way unlimited")[0],
        class(us, "1:c", NO_LIMIT)
    );
}

/// As in `region-loss-with-data`: the region is cut off, loses its disk, and is connected again
/// before it is restarted.
#[test]
fn a_region_that_is_cut_off_loses_its_disk_alone() {
    let machine = Machine::new();
    let (lost, kept) = ("ap-northeast-1", "us-east-1");
    for region in [lost, kept] {
        let disk = machine.path("data").join(region);
        fs::create_dir_all(disk.join("deep")).expect("the directory is writable");
        fs::write(disk.join("region.db"), "rows").expect("the directory is writable");
    }
    assert_eq!(
        machine.does("isolate ap-northeast-1 silent"),
        ["docker network disconnect --force beringia-wan beringia-ap-northeast-1"]
    );
    assert_eq!(
        machine.does("crash ap-northeast-1 lose-disk"),
        ["docker kill beringia-ap-northeast-1"]
    );
    let files = |region: &str| {
        let disk = fs::read_dir(machine.path("data").join(region)).expect("the directory stays");
        disk.count()
    };
    assert_eq!((files(lost), files(kept)), (0, 2));
    assert_eq!(
        machine.does("heal ap-northeast-1 us-east-1 both"),
        ["docker network connect --ip 10.212.0.13 beringia-wan beringia-ap-northeast-1"]
    );
    assert_eq!(
        machine.does("restart ap-northeast-1"),
        ["docker start beringia-ap-northeast-1"]
    );
}

/// The conditions last until everything is undone.
#[test]
fn conditions_survive_cuts_crashes_and_isolation() {
    let machine = Machine::new();
    let us = "us-east-1";
    let again = [
        root(us),
        class(us, "1:c", "rate 0.25mbit"),
        netem(us, "1:c", "delay 0.000ms 0.000ms loss 3%"),
        filter(us, "1:c", "10.212.0.12"),
    ];
    machine.does("loss us-east-1 eu-west-1 one-way 3");
    machine.does("bandwidth us-east-1 eu-west-1 one-way 0.25");

    machine.does("cut us-east-1 eu-west-1 both silent");
    let healed = machine.does("heal us-east-1 eu-west-1 both");
    assert_eq!(healed[0], "us-east-1: ip route del blackhole 10.212.0.12/32");
    assert_eq!(healed[2..], again[1..3], "the class is there still");

    machine.does("crash us-east-1 keep-disk");
    assert_eq!(
        machine.does("delay us-east-1 eu-west-1 one-way 0 0"),
        Vec::<String>::new(),
        "there is no network to set it in"
    );
    let restarted = machine.does("restart us-east-1");
    assert_eq!(restarted[0], "docker start beringia-us-east-1");
    assert_eq!(restarted[1..], again);

    machine.does("isolate us-east-1 silent");
    let back = machine.does("heal");
    assert_eq!(
        back[0],
        "docker network connect --ip 10.212.0.11 beringia-wan beringia-us-east-1"
    );
    assert_eq!(back[1..], again);

    assert_eq!(machine.does("undo"), ["us-east-1: tc qdisc del root"]);
    assert_eq!(machine.does("undo"), Vec::<String>::new());
    machine.does("crash us-east-1 keep-disk");
    assert_eq!(machine.does("restart us-east-1"), ["docker start beringia-us-east-1"]);
}
