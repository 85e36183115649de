//! What a program may touch, as a list: what every program needs, and what the configuration adds.
//!
//! Of `/etc` single files alone: the gateway's own configuration and key are often beside them. Of `/proc` the program's
//! own directory and a few files about the machine: the command lines of other processes are none of its business.

use std::path::PathBuf;

/// What may be done below a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Read files, list directories.
    Read,
    /// The same, and execute.
    Execute,
    /// Write a device that keeps nothing, and read it.
    Device,
    /// Everything but making device nodes.
    Write,
}

/// Who grants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Every program needs it; it may be missing.
    System,
    /// The configuration says so; it must be there.
    Configuration,
}

#[derive(Debug, Clone)]
pub(crate) struct Grant {
    pub(crate) path: PathBuf,
    pub(crate) access: Access,
    pub(crate) origin: Origin,
}

/// Programs and libraries.
const EXECUTABLE: &[&str] = &["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64"];
/// Names, users, time, certificates, the dynamic linker; the machine's processors.
const READABLE: &[&str] = &[
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/gai.conf",
    "/etc/group",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/pki/ca-trust",
    "/etc/pki/tls/certs",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl/cert.pem",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/timezone",
    "/dev/random",
    "/dev/urandom",
    "/proc/cpuinfo",
    "/proc/filesystems",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/version",
    "/sys/devices/system/cpu",
];
const DEVICES: &[&str] = &["/dev/null", "/dev/zero"];
/// The process that looks, so in the confiner the program itself. What it starts has another one.
const OWN_PROCESS: &str = "/proc/self";

/// What every program needs.
pub(crate) fn of_every_program() -> impl Iterator<Item = Grant> {
    let all = |paths: &'static [&'static str], access| {
        paths.iter().map(move |path| Grant { path: PathBuf::from(path), access, origin: Origin::System })
    };
    all(EXECUTABLE, Access::Execute)
        .chain(all(READABLE, Access::Read))
        .chain(all(&[OWN_PROCESS], Access::Read))
        .chain(all(DEVICES, Access::Device))
}

/// What the configuration adds.
pub(crate) fn configured<'a>(
    paths: impl IntoIterator<Item = &'a PathBuf, IntoIter: 'a>,
    access: Access,
) -> impl Iterator<Item = Grant> + 'a {
    paths.into_iter().map(move |path| Grant { path: path.clone(), access, origin: Origin::Configuration })
}
