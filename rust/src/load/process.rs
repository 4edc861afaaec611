//! A server's process on this machine, as `/proc` shows it (proc(5)).

use std::fs;

use serde::Serialize;

/// `/proc/PID/stat` counts in these, 100 a second on every Linux that this runs on.
const TICKS_A_SECOND: f64 = 100.0;

/// What a process has used so far.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ProcessUsage {
    /// Of the processor, all threads together.
    pub cpu_seconds: f64,
    /// Memory in RAM.
    pub resident_bytes: u64,
    /// Threads.
    pub threads: u64,
}

impl ProcessUsage {
    /// Look at a process; None where there is none, or it may not be looked at.
    #[must_use]
    pub fn find(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        Self::read(&stat, &status)
    }

    fn read(stat: &str, status: &str) -> Option<Self> {
        // The name, which is in parentheses, may hold any character.
        let (_, fields) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let ticks = |place: usize| fields.get(place)?.parse::<f64>().ok();
        let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kilobytes: u64 = kilobytes.split_whitespace().next()?.parse().ok()?;
        Some(Self {
            cpu_seconds: (ticks(11)? + ticks(12)?) / TICKS_A_SECOND,
            resident_bytes: kilobytes * 1024,
            threads: fields.get(17)?.parse().ok()?,
        })
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // read as they are written
mod tests {
    use super::ProcessUsage;

    #[test]
    fn a_process_is_read_whatever_its_name() {
        let stat = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 3 0 99\n";
        let found = ProcessUsage::read(stat, "Name:\ta\nVmRSS:\t    2048 kB\n").unwrap();
        assert_eq!(
            (found.cpu_seconds, found.resident_bytes, found.threads),
            (2.0, 2 << 20, 3)
        );
        assert!(ProcessUsage::read("", "").is_none());
    }

    #[test]
    fn this_process_is_there_and_another_is_not() {
        assert!(ProcessUsage::find(std::process::id()).unwrap().resident_bytes > 0);
        assert!(ProcessUsage::find(u32::MAX).is_none());
    }
}
