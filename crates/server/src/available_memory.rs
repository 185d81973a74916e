//! How much memory this process may use: the limit of its control group, else the machine's memory.

use std::fs;
use std::path::{Path, PathBuf};

/// Where to look. The places are found once; what they say may change.
#[derive(Debug)]
pub struct AvailableMemory {
    /// Files with limits in bytes, those of the groups around ours included.
    limits: Vec<PathBuf>,
    machine_bytes: u64,
}

impl AvailableMemory {
    /// Looks on this system.
    pub fn find() -> AvailableMemory {
        Self::find_in(Path::new("/"))
    }

    /// Looks in a file system with this root.
    fn find_in(root: &Path) -> AvailableMemory {
        let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
        AvailableMemory {
            limits: limit_files(root, &read("proc/self/cgroup")),
            machine_bytes: machine_bytes(&read("proc/meminfo")),
        }
    }

    /// The memory that the process may use, in bytes; 0 when nothing tells.
    pub fn bytes(&self) -> u64 {
        let limits = self.limits.iter().filter_map(|path| limit_bytes(path));
        let machine = Some(self.machine_bytes).filter(|bytes| *bytes > 0);
        limits.chain(machine).min().unwrap_or(0)
    }
}

/// The files that may limit a process of these groups: `0::/path` is a line of version 2, `5:memory:/path` one of
/// version 1. In a container the path may be that outside of it, so the groups above it are asked as well, up to the
/// root, which is the container's own.
fn limit_files(root: &Path, groups: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
            continue;
        };
        let (mount, name) = match controllers {
            "" => ("sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|word| word == "memory") => {
                ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let groups = Path::new(path.trim_start_matches('/')).ancestors();
        let candidates = groups.map(|group| root.join(mount).join(group).join(name));
        files.extend(candidates.filter(|file| file.exists()));
    }
    files
}

/// The limit in a file, if it has one: version 2 writes `max` for none.
fn limit_bytes(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn machine_bytes(meminfo: &str) -> u64 {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::AvailableMemory;

    /// A file system with these files, in a directory that is removed when it is dropped.
    struct Root(PathBuf);

    impl Root {
        fn new(name: &str, files: &[(&str, &str)]) -> Root {
            let directory = format!("redistill-memory-{}-{name}", std::process::id());
            let root = Root(std::env::temp_dir().join(directory));
            files.iter().for_each(|(path, text)| root.write(path, text));
            root
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.0.join(path);
            let directory = path.parent().expect("a file has a directory");
            fs::create_dir_all(directory).expect("directories are made");
            fs::write(path, text).expect("files are written");
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            // What is left in the directory for temporary files does no harm.
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    const MACHINE: (&str, &str) = ("proc/meminfo", "MemTotal:        1000 kB\nMemFree: 1 kB\n");

    #[test]
    fn the_smallest_limit_counts_and_is_followed() {
        let root = Root::new(
            "v2",
            &[
                MACHINE,
                ("proc/self/cgroup", "0::/outer/inner\n"),
                ("sys/fs/cgroup/outer/memory.max", "600000\n"),
                ("sys/fs/cgroup/outer/inner/memory.max", "max\n"),
            ],
        );
        let memory = AvailableMemory::find_in(&root.0);
        assert_eq!(memory.bytes(), 600_000);
        root.write("sys/fs/cgroup/outer/inner/memory.max", "500000\n");
        assert_eq!(memory.bytes(), 500_000);
        root.write("sys/fs/cgroup/outer/inner/memory.max", "9000000\n");
        root.write("sys/fs/cgroup/outer/memory.max", "max\n");
        assert_eq!(memory.bytes(), 1_024_000);
    }

    #[test]
    fn version_1_of_a_container_is_read_at_its_root() {
        let root = Root::new(
            "v1",
            &[
                MACHINE,
                ("proc/self/cgroup", "5:cpu:/a\n4:memory:/docker/abc\n"),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", "700000\n"),
            ],
        );
        assert_eq!(AvailableMemory::find_in(&root.0).bytes(), 700_000);
    }

    #[test]
    fn without_a_group_there_is_the_machine() {
        let root = Root::new("none", &[MACHINE]);
        assert_eq!(AvailableMemory::find_in(&root.0).bytes(), 1_024_000);
        let nothing = Root::new("nothing", &[]);
        assert_eq!(AvailableMemory::find_in(&nothing.0).bytes(), 0);
    }
}
