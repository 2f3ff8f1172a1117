//! What memory a process has and had (Linux: `/proc/PID/status`).

/// Resident memory of a process, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Now.
    pub now: u64,
    /// The most since the process began, or since [`forget_peak`].
    pub peak: u64,
}

/// Of process `pid`.
pub fn memory(pid: u32) -> Memory {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let of = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kib.expect("a number of KiB") << 10
    };
    Memory {
        now: of("VmRSS:"),
        peak: of("VmHWM:"),
    }
}

/// The peak of process `pid` begins anew.
pub fn forget_peak(pid: u32) {
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5").expect("our own child");
}
