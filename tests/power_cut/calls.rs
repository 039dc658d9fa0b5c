//! What a program did to files and sockets, in the order of the kernel, as strace writes it down.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The calls that alter files, make them durable, or tell somebody something.
pub(super) const TRACED: &str = "openat,creat,write,pwrite64,writev,pwritev,pwritev2,sendto,sendmsg,fsync,fdatasync,\
                                 syncfs,sync,rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,mkdirat,rmdir,\
                                 ftruncate,truncate,fallocate,copy_file_range,sendfile,splice";

/// One call that has succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// A file was opened for writing, and made if it was not there.
    Create(PathBuf),
    /// Octets went to the end of a file.
    Append(PathBuf, Vec<u8>),
    /// Octets went into a file from an octet of it on.
    WriteAt(PathBuf, u64, Vec<u8>),
    /// A file or directory was made durable.
    Synchronize(PathBuf),
    /// The file system of a file is being made durable, by this process.
    BeginEverything(String),
    /// What it held when that began is durable.
    EndEverything(String),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
    MakeDirectory(PathBuf),
    Truncate(PathBuf, u64),
    /// Octets went to a socket. Stands where the call began: from then on the peer may know.
    Say(Vec<u8>),
    /// Something that no store does; the text is the line.
    Strange(String),
}

/// Reads a log of `strace -f -y -xx`. Calls stand in the order in which they ended.
pub(super) fn read(log: &str) -> Vec<Call> {
    let (mut calls, mut begun) = (Vec::new(), BTreeMap::new());
    for line in log.lines() {
        let Some((process, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        if let Some(start) = rest.strip_suffix("<unfinished ...>") {
            calls.extend(said(start));
            calls.extend(is_everything(start).then(|| Call::BeginEverything(process.to_owned())));
            begun.insert(process.to_owned(), start.to_owned());
        } else if let Some((_, end)) = rest.strip_prefix("<... ").and_then(|rest| rest.split_once(" resumed>")) {
            if let Some(start) = begun.remove(process) {
                calls.extend(call(process, &format!("{start}{end}")));
            }
        } else {
            calls.extend(said(rest));
            calls.extend(is_everything(rest).then(|| Call::BeginEverything(process.to_owned())));
            calls.extend(call(process, rest));
        }
    }
    calls
}

/// The octets that a call sends to a socket, of which only its beginning need be there.
fn said(text: &str) -> Option<Call> {
    let (name, arguments) = text.split_once('(')?;
    let is_socket = target(arguments)?.to_string_lossy().starts_with("socket:");
    let speaks = matches!(name, "write" | "writev" | "sendto" | "sendmsg");
    (is_socket && speaks).then(|| Call::Say(strings(arguments).concat()))
}

fn is_everything(text: &str) -> bool {
    text.starts_with("syncfs(")
}

fn call(process: &str, text: &str) -> Option<Call> {
    let (name, rest) = text.split_once('(')?;
    let (arguments, result) = rest.rsplit_once(") = ").or_else(|| rest.rsplit_once(") "))?;
    let result = result.trim_start().trim_start_matches("= ");
    let count: i64 = result.split([' ', '<']).next()?.parse().ok()?;
    if count < 0 {
        return None;
    }
    let paths = || -> Vec<PathBuf> { strings(arguments).iter().map(|octets| resolved(arguments, octets)).collect() };
    let one = || paths().into_iter().next();
    let file = || target(arguments).filter(|path| path.is_absolute());
    // A call that was not finished at once has a space behind its arguments.
    let last_number = || arguments.rsplit(", ").next()?.trim_end().parse().ok();
    match name {
        "openat" | "creat" if arguments.contains("O_CREAT") || name == "creat" => one().map(Call::Create),
        "openat" if arguments.contains("O_TRUNC") => Some(Call::Strange(text.to_owned())),
        "write" | "writev" => {
            let mut octets = strings(arguments).concat();
            octets.truncate(usize::try_from(count).ok()?);
            Some(Call::Append(file()?, octets))
        }
        "pwrite64" => {
            let mut octets = strings(arguments).concat();
            octets.truncate(usize::try_from(count).ok()?);
            Some(Call::WriteAt(file()?, last_number()?, octets))
        }
        "fsync" | "fdatasync" => Some(Call::Synchronize(file()?)),
        "syncfs" => Some(Call::EndEverything(process.to_owned())),
        "rename" | "renameat" | "renameat2" => {
            let mut paths = paths().into_iter();
            Some(Call::Rename(paths.next()?, paths.next()?))
        }
        "unlink" | "unlinkat" | "rmdir" => one().map(Call::Remove),
        "mkdir" | "mkdirat" => one().map(Call::MakeDirectory),
        "ftruncate" => Some(Call::Truncate(file()?, last_number()?)),
        "truncate" => Some(Call::Truncate(one()?, last_number()?)),
        "pwritev" | "pwritev2" | "fallocate" => Some(Call::Strange(text.to_owned())),
        "link" | "linkat" | "copy_file_range" | "sendfile" | "splice" | "sync" => Some(Call::Strange(text.to_owned())),
        _ => None,
    }
}

/// What the first file descriptor among the arguments stands for.
fn target(arguments: &str) -> Option<PathBuf> {
    let digits = arguments.chars().take_while(char::is_ascii_digit).count();
    let inner = arguments.get(digits..)?.strip_prefix('<').filter(|_| digits > 0)?;
    let octets = unescaped(inner.split('>').next()?);
    Some(PathBuf::from(String::from_utf8(octets).ok()?))
}

/// A path as it is meant: beside the working directory, which stands with `AT_FDCWD`.
fn resolved(arguments: &str, octets: &[u8]) -> PathBuf {
    let path = PathBuf::from(String::from_utf8_lossy(octets).into_owned());
    let here = arguments.split_once("AT_FDCWD<").and_then(|(_, rest)| rest.split('>').next()).map(unescaped);
    let here = here.map(|octets| PathBuf::from(String::from_utf8_lossy(&octets).into_owned()));
    match here.filter(|_| path.is_relative()) {
        Some(here) => here.join(path),
        None => path,
    }
}

/// Everything between double quotes.
fn strings(arguments: &str) -> Vec<Vec<u8>> {
    arguments.split('"').skip(1).step_by(2).map(unescaped).collect()
}

/// The octets of a text in which every one is written as `\x41`; others stand for themselves.
fn unescaped(text: &str) -> Vec<u8> {
    let (mut octets, bytes) = (Vec::with_capacity(text.len() / 4), text.as_bytes());
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut at = 0;
    while at < bytes.len() {
        let pair = (bytes[at..].starts_with(b"\\x") && at + 4 <= bytes.len())
            .then(|| Some(digit(bytes[at + 2])? * 16 + digit(bytes[at + 3])?))
            .flatten();
        octets.push(pair.map_or(bytes[at], |octet| u8::try_from(octet).unwrap()));
        at += if pair.is_some() { 4 } else { 1 };
    }
    octets
}

/// Whether the path is below `place`.
pub(super) fn is_below(path: &Path, place: &Path) -> bool {
    path.starts_with(place)
}

#[test]
fn a_log_is_read_in_the_order_of_the_ends_and_words_in_that_of_their_beginnings() {
    let log = "\
7 openat(AT_FDCWD<\\x2f\\x64>, \"\\x61\", O_WRONLY|O_CREAT|O_EXCL, 0600) = 9<\\x2f\\x64\\x2f\\x61>\n\
7 write(9<\\x2f\\x64\\x2f\\x61>, \"\\x78\\x79\\x7a\", 3 <unfinished ...>\n\
8 write(5<\\x73\\x6f\\x63\\x6b\\x65\\x74\\x3a\\x5b\\x31\\x5d>, \"\\x32\\x35\\x30\", 3 <unfinished ...>\n\
8 <... write resumed>)             = 3\n\
8 syncfs(9<\\x2f\\x64\\x2f\\x61> <unfinished ...>\n\
7 <... write resumed>)             = 2\n\
7 fdatasync(9<\\x2f\\x64\\x2f\\x61>)  = 0\n\
8 <... syncfs resumed>)             = 0\n\
7 rename(\"\\x2f\\x64\\x2f\\x61\", \"\\x2f\\x64\\x2f\\x62\") = 0\n\
7 unlink(\"\\x2f\\x6e\\x6f\")       = -1 ENOENT (No such file or directory)\n\
7 writev(9<\\x2f\\x64\\x2f\\x62>, [{iov_base=\"\\x31\", iov_len=1}, {iov_base=\"\\x32\", iov_len=1}], 2) = 2\n\
7 ftruncate(9<\\x2f\\x64\\x2f\\x62>, 4) = 0\n\
7 pwrite64(9<\\x2f\\x64\\x2f\\x62>, \"\\x33\\x34\", 2, 70 <unfinished ...>\n\
7 <... pwrite64 resumed>)           = 1\n";
    let path = PathBuf::from;
    let expected = [
        Call::Create(path("/d/a")),
        Call::Say(b"250".to_vec()),
        Call::BeginEverything("8".to_owned()),
        Call::Append(path("/d/a"), b"xy".to_vec()),
        Call::Synchronize(path("/d/a")),
        Call::EndEverything("8".to_owned()),
        Call::Rename(path("/d/a"), path("/d/b")),
        Call::Append(path("/d/b"), b"12".to_vec()),
        Call::Truncate(path("/d/b"), 4),
        Call::WriteAt(path("/d/b"), 70, b"3".to_vec()),
    ];
    assert_eq!(read(log), expected);
}
