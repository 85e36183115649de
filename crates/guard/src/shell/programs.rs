//! Programs whose words say whether what they do is dangerous.

use super::judge::{Around, Judge};
use super::lexer::{UNKNOWN, Word};
use super::tables::DECODERS;
use super::{scripts, targets};

/// Whether a program leaves what it gets in files that its words name.
pub(super) fn gets_file(name: &str) -> bool {
    matches!(
        name,
        "curl" | "wget" | "fetch" | "aria2c" | "scp" | "sftp" | "http" | "https" | "xh" | "s3cmd" | "lwp-download"
    )
}

/// What this program would do with its words.
pub(super) fn judge(judge: &mut Judge, name: &str, words: &[Word], around: Around<'_>) {
    let is_dangerous = match name {
        "rm" | "unlink" | "rmdir" | "del" | "erase" | "rd" => removes(judge, words, around),
        "find" | "gfind" | "fd" => finds(judge, words, around),
        "dd" => copies_blocks(words),
        "chmod" | "chown" | "chgrp" | "setfacl" => permits(judge, name, words),
        "mv" => operands(words).any(|word| targets::is_system(word) || targets::is_spoilt_by_writing(word)),
        "cp" | "ln" | "install" | "rsync" | "scp" => {
            let goes_to = words.iter().skip_while(|word| word.text != "-t").nth(1);
            let deletes =
                words.iter().any(|word| word.text.starts_with("--del") || word.text.starts_with("--remove-source"));
            let shell = name == "rsync" && words.iter().any(|word| word.text == "-e" || word.text.starts_with("--rsh"));
            if shell {
                judge.unclear();
            }
            deletes
                || operands(words).last().into_iter().chain(goes_to).any(targets::is_spoilt_by_writing)
                || words.iter().any(|word| word.text.starts_with("--rsync-path"))
                || (name == "scp" && has(words, "-S"))
        }
        "tee" | "truncate" | "touch" | "sponge" => operands(words).any(targets::is_spoilt_by_writing),
        "curl" | "wget" | "fetch" | "aria2c" | "http" | "https" | "xh" | "dig" | "nslookup" | "host" | "ping" => {
            gets(judge, words)
        }
        "nc" | "ncat" | "netcat" | "nc.openbsd" | "nc.traditional" => words.iter().any(|word| {
            let text = word.text.as_str();
            let is_short = text.starts_with('-') && !text.starts_with("--") && text.contains(['e', 'c']);
            is_short || text.starts_with("--exec") || text.starts_with("--sh-exec") || text.starts_with("--lua-exec")
        }),
        "socat" => words.iter().any(|word| {
            let text = word.text.to_ascii_lowercase();
            text.contains("exec:") || text.contains("system:") || text.contains("shell:")
        }),
        "openssl" => around.fed.by_any && has(words, "s_client"),
        "sftp" => has(words, "-S"),
        "make" | "gmake" => words.iter().any(|word| word.text.starts_with("SHELL=")),
        "crontab" => !has(words, "-l"),
        "history" => has(words, "-c"),
        "kill" => words.len() > 1 && words.last().is_some_and(|word| word.text == "-1"),
        "killall" | "pkill" => has(words, "-1") || ends_all(words),
        "killall5" => true,
        "xterm"
        | "uxterm"
        | "lxterm"
        | "rxvt"
        | "urxvt"
        | "xvt"
        | "aterm"
        | "eterm"
        | "st"
        | "alacritty"
        | "kitty"
        | "konsole"
        | "gnome-terminal"
        | "xfce4-terminal"
        | "lxterminal"
        | "mate-terminal"
        | "terminator"
        | "x-terminal-emulator" => terminal(judge, words, around),
        "systemctl" | "service" | "launchctl" => {
            ["stop", "disable", "mask", "poweroff", "reboot", "halt", "kill", "rescue", "bootout", "unload"]
                .iter()
                .any(|word| has(words, word))
        }
        "git" => commits(words),
        "tar" | "bsdtar" | "gtar" => archives(words),
        "zip" => words.iter().any(|word| word.text.starts_with("-TT") || word.text.starts_with("--unzip-command")),
        "awk" | "gawk" | "mawk" | "nawk" => return scripts::awk(judge, words),
        "sed" | "gsed" => return scripts::sed(judge, words),
        "docker" | "podman" | "nerdctl" => contains(judge, words, around),
        "kubectl" | "oc" => {
            run_after(judge, words, around, "--");
            ["delete", "drain"].iter().any(|word| has(words, word))
        }
        "terraform" | "tofu" | "pulumi" => has(words, "destroy") || has(words, "-destroy"),
        "aws" | "gsutil" | "gcloud" | "az" | "rclone" | "s3cmd" | "mc" => {
            words.iter().any(|word| {
                let text = word.text.as_str();
                ["delete-", "terminate-"].iter().any(|start| text.starts_with(start))
                    || matches!(text, "rb" | "delete" | "purge" | "destroy")
            }) || (has(words, "rm")
                && words.iter().any(|word| matches!(&*word.text, "--recursive" | "-r" | "-R" | "-rf")))
        }
        "pip" | "pip3" | "npm" | "npx" | "pnpm" | "yarn" | "gem" | "go" | "cargo" | "uvx" | "pipx" => {
            words.iter().any(|word| word.text.contains("://") || word.text.starts_with("git+"))
        }
        _ => false,
    };
    if is_dangerous {
        judge.danger();
    }
}

/// Whether all processes of somebody are ended, or of whoever looks after the machine, or whatever they are called.
fn ends_all(words: &[Word]) -> bool {
    const OF_WHOM: &[&str] = &["-u", "-U", "--euid", "--uid", "--user", "-g", "-G", "-s", "-t", "--pgroup", "--group"];
    let option = |word: &Word| {
        OF_WHOM.iter().any(|option| {
            let is_short = option.len() == 2;
            word.text == *option
                || (is_short && word.text.starts_with(option) && !word.text.starts_with("--"))
                || word.text.split_once('=').is_some_and(|(name, _)| name == *option)
        })
    };
    let is_chosen = words.iter().any(option);
    let mut names = Vec::new();
    let mut is_value = false;
    for word in words {
        if !word.text.starts_with('-') && !is_value {
            names.push(word.text.as_str());
        }
        is_value = OF_WHOM.contains(&&*word.text);
    }
    let is_any = |name: &&str| name.trim_matches(['^', '$', '*', '+', '?', '(', ')']).trim_matches('.').is_empty();
    let of_root = words.iter().any(|word| {
        let value = word.text.trim_start_matches('-').trim_start_matches(['u', 'U']);
        value.split(['=', ',']).any(|user| matches!(user, "root" | "0"))
    });
    (is_chosen && (names.is_empty() || of_root)) || names.iter().any(is_any)
}

/// A window with a shell in it: where somebody else sees it, and what it runs instead.
fn terminal(judge: &mut Judge, words: &[Word], around: Around<'_>) -> bool {
    let mut before = "";
    let mut is_elsewhere = false;
    for (place, word) in words.iter().enumerate() {
        let text = word.text.as_str();
        let display = text
            .strip_prefix("--display=")
            .or_else(|| matches!(before, "-display" | "--display" | "-d").then_some(text));
        is_elsewhere |= display.is_some_and(|display| !display.starts_with(':'));
        if matches!(text, "-e" | "-x" | "--" | "--command" | "--execute") {
            let rest = words.get(place.saturating_add(1)..).unwrap_or_default();
            // Some take one text for a shell, some the words of a program.
            let script = rest.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
            judge.script(&script, around.inner());
            judge.run(rest, around.inner());
            break;
        }
        before = text;
    }
    is_elsewhere
}

fn has(words: &[Word], text: &str) -> bool {
    words.iter().any(|word| word.text == text)
}

/// Words that are no options.
fn operands(words: &[Word]) -> impl Iterator<Item = &Word> {
    words.iter().filter(|word| !word.text.starts_with('-') || word.text == "-")
}

/// Short options that are given, in any grouping; and those that may be, where a word is unknown.
fn has_letter(words: &[Word], letters: &[char]) -> bool {
    words.iter().take_while(|word| word.text != "--").any(|word| {
        word.text.strip_prefix('-').is_some_and(|option| !option.starts_with('-') && option.contains(letters))
    })
}

fn removes(judge: &mut Judge, words: &[Word], around: Around<'_>) -> bool {
    if !around.is_repeated && words.iter().any(|word| word.splits) {
        judge.unclear();
    }
    let is_windows = words.iter().any(|word| matches!(&*word.text.to_ascii_lowercase(), "/s" | "/q" | "/f"));
    around.is_repeated
        || is_windows
        || has_letter(words, &['r', 'R'])
        || words.iter().any(|word| word.text.starts_with("--r") || word.text.starts_with("--no-p"))
        || operands(words).any(|word| targets::is_system(word) || targets::is_spoilt_by_writing(word))
}

fn finds(judge: &mut Judge, words: &[Word], around: Around<'_>) -> bool {
    let mut is_dangerous = false;
    let mut rest = words;
    while let Some((word, after)) = rest.split_first() {
        rest = after;
        match word.text.as_str() {
            "-delete" => is_dangerous = true,
            "-exec" | "-execdir" | "-ok" | "-okdir" | "-x" | "-X" | "--exec" | "--exec-batch" => {
                let length = after.iter().take_while(|word| !matches!(&*word.text, ";" | "+")).count();
                let found = Word { text: UNKNOWN.to_string(), ..Word::default() };
                let inner: Vec<Word> = after.iter().take(length).cloned().chain([found]).collect();
                judge.run(&inner, around.repeated());
                rest = after.get(length..).unwrap_or_default();
            }
            "-fprint" | "-fprintf" | "-fprint0" | "-fls" => {
                is_dangerous |= after.first().is_some_and(targets::is_spoilt_by_writing);
            }
            _ => {}
        }
    }
    is_dangerous
}

fn copies_blocks(words: &[Word]) -> bool {
    words.iter().any(|word| {
        let path = |prefix: &str| word.text.strip_prefix(prefix).map(Word::plain);
        let reads_device = path("if=").is_some_and(|path| {
            path.text.starts_with("/dev/")
                && !matches!(&*path.text, "/dev/zero" | "/dev/null" | "/dev/random" | "/dev/urandom" | "/dev/stdin")
        });
        reads_device || path("of=").is_some_and(|path| targets::is_spoilt_by_writing(&path))
    })
}

fn permits(judge: &mut Judge, name: &str, words: &[Word]) -> bool {
    let is_recursive = has_letter(words, &['R']) || words.iter().any(|word| word.text.starts_with("--rec"));
    if words.iter().any(|word| word.splits || (is_recursive && word.is_unknown())) {
        judge.unclear();
    }
    let mode = words.iter().find(|word| !matches!(&*word.text, "-R" | "-v" | "-f" | "-c" | "-h" | "-H" | "-L" | "-P"));
    let mode = mode.map_or("", |word| word.text.as_str()).trim_start_matches('0');
    let digits = mode.bytes().all(|byte| byte.is_ascii_digit());
    let sets_user = if digits { mode.len() > 3 && !mode.starts_with('1') } else { mode.contains('s') };
    let opens = if digits {
        mode.ends_with(['2', '3', '6', '7'])
    } else {
        mode.split(',').any(|clause| clause.starts_with(['a', 'o', '+']) && clause.contains('w'))
    };
    let is_mode = name == "chmod";
    (is_mode && (sets_user || (opens && is_recursive)))
        || operands(words).skip(1).any(|word| {
            targets::is_system(word) || targets::is_spoilt_by_writing(word) || (is_mode && judge.has_fetched(word))
        })
}

/// What is got leaves secrets elsewhere, or goes where it must not.
fn gets(judge: &Judge, words: &[Word]) -> bool {
    const TELLING: &[&str] = &[
        "cat", "env", "printenv", "base64", "xxd", "id", "whoami", "hostname", "uname", "set", "history", "find",
        "grep", "head", "tail", "ls", "ps", "ifconfig", "ip",
    ];
    let tells = words.iter().any(|word| word.is_of_command)
        && TELLING.iter().any(|program| judge.facts.programs.contains(*program));
    let mut before = "";
    let mut writes = false;
    for word in words {
        writes |= matches!(before, "-o" | "-O" | "--output" | "--output-document" | "-P" | "--directory-prefix" | "-d")
            && targets::is_spoilt_by_writing(word);
        before = &word.text;
    }
    tells || writes || words.iter().any(|word| word.text.starts_with("--use-askpass"))
}

fn commits(words: &[Word]) -> bool {
    let runs = |word: &&Word| {
        let text = word.text.to_ascii_lowercase();
        text.starts_with("ext::")
            || text.starts_with("--upload-pack")
            || text.starts_with("--receive-pack")
            || text.starts_with("--exec-path=")
            || [
                "core.hookspath",
                "core.sshcommand",
                "core.fsmonitor",
                "core.pager",
                "core.editor",
                "core.askpass",
                "credential.helper",
                "diff.external",
                "protocol.ext.allow",
                "sequence.editor",
                "core.gitproxy",
            ]
            .iter()
            .any(|key| text.starts_with(key))
            || (text.starts_with("alias.") && text.contains("=!"))
            || text.starts_with('!')
    };
    let cleans = words.iter().find(|word| !word.text.starts_with('-')).is_some_and(|word| word.text == "clean")
        && !has_letter(words, &['n'])
        && (has_letter(words, &['d', 'x', 'X']));
    cleans || words.iter().any(|word| runs(&word))
}

fn archives(words: &[Word]) -> bool {
    let mut before = "";
    let mut is_dangerous = false;
    for word in words {
        let text = word.text.as_str();
        let compressor = text.strip_prefix("--use-compress-program=").or_else(|| (before == "-I").then_some(text));
        is_dangerous |= compressor.is_some_and(|program| {
            let program = program.split(' ').next().unwrap_or(program);
            !(DECODERS.contains(&program)
                || matches!(program, "pigz" | "pbzip2" | "lz4" | "lbzip2" | "pixz" | "brotli"))
        });
        is_dangerous |= text.starts_with("--to-command")
            || text.contains("exec=")
            || text.starts_with("--rsh-command")
            || text.starts_with("--info-script")
            || text.starts_with("--new-volume-script")
            || text.starts_with("--remove-files")
            || (before == "-C" && targets::is_spoilt_by_writing(word));
        before = text;
    }
    is_dangerous
}

/// Containers: what is run in them, and what they are given of the machine.
fn contains(judge: &mut Judge, words: &[Word], around: Around<'_>) -> bool {
    let operand = words.iter().position(|word| !word.text.starts_with('-'));
    if let Some((_, mut rest)) =
        operand.and_then(|place| words.get(place..)?.split_first()).filter(|(word, _)| word.text == "exec")
    {
        while let Some((option, after)) = rest.split_first().filter(|(word, _)| word.text.starts_with('-')) {
            let is_valued = matches!(
                &*option.text,
                "-e" | "--env" | "--env-file" | "-u" | "--user" | "-w" | "--workdir" | "--detach-keys"
            );
            rest = if is_valued { after.get(1..).unwrap_or_default() } else { after };
        }
        // The container, and what is run in it.
        judge.run(rest.get(1..).unwrap_or_default(), around.inner());
    }
    let mut before = "";
    let mut is_dangerous = false;
    for word in words {
        let text = word.text.as_str();
        let mount = text.strip_prefix("--volume=").or_else(|| text.strip_prefix("-v").filter(|rest| !rest.is_empty()));
        let mount = mount.or_else(|| matches!(before, "-v" | "--volume").then_some(text));
        let mounts =
            mount.is_some_and(|mount| targets::is_system(&Word::plain(mount.split(':').next().unwrap_or(mount))));
        let source = text.strip_prefix("--mount=").or_else(|| (before == "--mount").then_some(text));
        let mounts = mounts
            || source.is_some_and(|mount| {
                mount
                    .split(',')
                    .filter_map(|part| part.strip_prefix("source=").or_else(|| part.strip_prefix("src=")))
                    .any(|path| targets::is_system(&Word::plain(path)))
            });
        is_dangerous |= mounts
            || text.starts_with("--privileged")
            || text.starts_with("--cap-add=ALL")
            || text.starts_with("--cap-add=SYS")
            || matches!(text, "--pid=host" | "--userns=host" | "--ipc=host");
        before = text;
    }
    is_dangerous
}

fn run_after(judge: &mut Judge, words: &[Word], around: Around<'_>, mark: &str) {
    if let Some(place) = words.iter().position(|word| word.text == mark) {
        judge.run(words.get(place.saturating_add(1)..).unwrap_or_default(), around.inner());
    }
}
