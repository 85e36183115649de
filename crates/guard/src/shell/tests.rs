use super::*;

fn judged(text: &str) -> ShellFacts {
    let mut judge = Judge::new();
    judge.text(text);
    judge.facts
}

fn programs(text: &str) -> Vec<String> {
    judged(text).programs.into_iter().collect()
}

#[test]
fn programs_are_those_that_run() {
    for (text, expected) in [
        ("ls", &["ls"][..]),
        ("/usr/bin/ls -l 'a b'", &["ls"]),
        ("A=1 B='x y' make -j2", &["make"]),
        ("sudo -u ann env X=1 nice -n 5 git log", &["env", "git", "nice", "sudo"]),
        ("a && b || c; d & e | f", &["a", "b", "c", "d", "e", "f"]),
        ("for f in *.txt; do cat \"$f\"; done | wc", &["cat", "wc"]),
        ("case $x in a|b) one;; (c) two;; *) three; esac", &["one", "three", "two"]),
        ("if test -f x; then y; elif z; then w; else v; fi", &["test", "v", "w", "y", "z"]),
        ("( a; { b; } ) 2>&1 >/dev/null", &["a", "b"]),
        ("echo $(date) `id` \"$(pwd)\"", &["date", "echo", "id", "pwd"]),
        ("bash -lc 'one; two'", &["bash", "one", "two"]),
        ("find . -exec grep x {} \\;", &["find", "grep"]),
        ("find . | xargs -n 1 wc -l", &["find", "wc", "xargs"]),
        ("cat <<EOF\nrm -rf /\nEOF\nls", &["cat", "ls"]),
        ("sh <<'EOF'\nmake\nEOF\n", &["make", "sh"]),
        ("while IFS= read -r l; do echo \"$l\"; done < x", &["echo", "read"]),
        ("[[ $a == b && -f c ]] && ls # rm -rf /", &["ls"]),
        ("e\"ch\"\\o a", &["echo"]),
        ("diff <(sort a) <(sort b)", &["diff", "sort"]),
        ("ssh host uptime", &["ssh", "uptime"]),
        ("", &[]),
    ] {
        let facts = judged(text);
        assert_eq!(programs(text), expected, "{text}");
        assert!(facts.parsed && !facts.dangerous, "{text}: {facts:?}");
    }
}
