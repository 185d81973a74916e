//! The log: one line for each event, to standard error or a file, as text or JSON, with a level that can be
//! changed while the server runs.
//!
//! Lines go to a thread of their own through a bounded queue, so that a reader of standard error who
//! stops reading stops no worker. Lines that find the queue full are dropped, and their number is
//! logged when it has room again.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use tracing::level_filters::LevelFilter;
use tracing::subscriber::SetGlobalDefaultError;
use tracing::{Subscriber, warn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry, reload};

use crate::config::{Config, LogFormat, LogLevel, LoggingSettings};

/// Lines that wait to be written, at most.
const QUEUE_LINES_MAX: usize = 1024;

/// What goes through the queue.
enum Message {
    Line(Vec<u8>),
    Reopen,
    End,
}

/// The running log. Dropping it writes what is still in the queue, so it is to be dropped before the
/// process ends.
pub struct Logging {
    level: LevelHandle,
    queue: SyncSender<Message>,
    writer: Option<JoinHandle<()>>,
}

type LevelHandle = reload::Handle<LevelFilter, Registry>;

/// Why the log could not be started.
#[derive(Debug)]
pub enum LoggingError {
    /// The file cannot be opened.
    File(PathBuf, io::Error),
    /// No thread could be started.
    Thread(io::Error),
    /// This process has a log already.
    Started(SetGlobalDefaultError),
}

/// Starts the log of this process. It can be started once.
pub fn start(settings: &LoggingSettings) -> Result<Logging, LoggingError> {
    let (queue, lines) = sync_channel(QUEUE_LINES_MAX);
    let mut out = Out::open(settings.file.clone())?;
    let dropped_lines = Arc::new(AtomicU64::new(0));
    let dropped = Arc::clone(&dropped_lines);
    let writer = thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || write_lines(&lines, &dropped, &mut out))
        .map_err(LoggingError::Thread)?;
    let (subscriber, level) = subscriber(
        settings,
        QueueWriter {
            queue: queue.clone(),
            dropped_lines,
        },
    );
    tracing::subscriber::set_global_default(subscriber).map_err(LoggingError::Started)?;
    Ok(Logging {
        level,
        queue,
        writer: Some(writer),
    })
}

/// Has the log's file opened anew, for other threads.
#[derive(Clone)]
pub struct Reopener {
    queue: SyncSender<Message>,
}

impl Reopener {
    /// What is logged from now on goes to the file that has the log's name then.
    pub fn reopen(&self) {
        // A log that has ended needs no file.
        let _ = self.queue.send(Message::Reopen);
    }
}

impl Logging {
    /// What opens the log's file anew.
    pub fn reopener(&self) -> Reopener {
        Reopener {
            queue: self.queue.clone(),
        }
    }

    /// Takes over the level whenever the configuration changes.
    pub fn follow(&self, config: &Config) {
        let handle = self.level.clone();
        config.on_change(move |before, after| {
            if before.logging.level != after.logging.level {
                set_level(&handle, after.logging.level);
            }
            Ok(())
        });
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        // A queue that has ended and a writer that has panicked both have nothing left to write.
        let _ = self.queue.send(Message::End);
        let _ = self.writer.take().map(JoinHandle::join);
    }
}

impl fmt::Display for LoggingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoggingError::File(path, error) => {
                write!(f, "cannot open the log {}: {error}", path.display())
            }
            LoggingError::Thread(error) => write!(f, "cannot start the thread of the log: {error}"),
            LoggingError::Started(error) => write!(f, "cannot start the log: {error}"),
        }
    }
}

impl std::error::Error for LoggingError {}

/// What turns events into lines, and the handle of its level.
fn subscriber(
    settings: &LoggingSettings,
    writer: QueueWriter,
) -> (impl Subscriber + Send + Sync, LevelHandle) {
    let (level, handle) = reload::Layer::new(filter(settings.level));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_target(false);
    let lines = match settings.format {
        LogFormat::Text => lines.with_ansi(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    (Registry::default().with(level).with(lines), handle)
}

fn set_level(handle: &LevelHandle, level: LogLevel) {
    handle
        .reload(filter(level))
        .expect("the subscriber lives as long as the process");
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Trace => LevelFilter::TRACE,
        LogLevel::Debug | LogLevel::Verbose => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Off => LevelFilter::OFF,
    }
}

/// Where lines go.
enum Out {
    StandardError,
    File { path: PathBuf, file: File },
}

impl Out {
    fn open(path: Option<PathBuf>) -> Result<Self, LoggingError> {
        let Some(path) = path else {
            return Ok(Self::StandardError);
        };
        match append(&path) {
            Ok(file) => Ok(Self::File { path, file }),
            Err(error) => Err(LoggingError::File(path, error)),
        }
    }

    /// Opens the file anew. One that cannot be opened leaves the old one in use.
    fn reopen(&mut self) {
        if let Self::File { path, file } = self {
            match append(path) {
                Ok(new) => *file = new,
                Err(error) => warn!(%error, "the log cannot be opened anew"),
            }
        }
    }

    fn write(&mut self, line: &[u8]) {
        // Where the log itself cannot be written, nobody can be told.
        let _ = match self {
            Self::StandardError => io::stderr().write_all(line),
            Self::File { file, .. } => file.write_all(line),
        };
    }
}

fn append(path: &Path) -> io::Result<File> {
    File::options().create(true).append(true).open(path)
}

/// Writes lines as they come, until the end is announced.
fn write_lines(queue: &Receiver<Message>, dropped_lines: &AtomicU64, out: &mut Out) {
    while let Ok(message) = queue.recv() {
        match message {
            Message::Line(line) => out.write(&line),
            Message::Reopen => out.reopen(),
            Message::End => return,
        }
        let dropped = dropped_lines.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            warn!(lines = dropped, "the log was too slow: lines were dropped");
        }
    }
}

/// Puts lines into the queue. The formatter gives each line in one piece.
struct QueueWriter {
    queue: SyncSender<Message>,
    dropped_lines: Arc<AtomicU64>,
}

impl<'a> MakeWriter<'a> for QueueWriter {
    type Writer = &'a QueueWriter;

    fn make_writer(&'a self) -> &'a QueueWriter {
        self
    }
}

impl Write for &QueueWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self.queue.try_send(Message::Line(line.to_vec())) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.dropped_lines.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Message, QueueWriter, set_level, subscriber};
    use crate::config::{LogFormat, LogLevel, LoggingSettings};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::mpsc::sync_channel;

    /// The lines that `events` logs, without their times, and how many were dropped.
    fn logged(
        format: LogFormat,
        lines_max: usize,
        events: impl FnOnce(&super::LevelHandle),
    ) -> (Vec<String>, u64) {
        let (queue, lines) = sync_channel(lines_max);
        let dropped_lines = Arc::new(AtomicU64::new(0));
        let writer = QueueWriter {
            queue,
            dropped_lines: Arc::clone(&dropped_lines),
        };
        let settings = LoggingSettings {
            level: LogLevel::Info,
            format,
            file: None,
        };
        let (subscriber, level) = subscriber(&settings, writer);
        tracing::subscriber::with_default(subscriber, || events(&level));
        let texts = lines.try_iter().map(|message| match message {
            Message::Line(line) => String::from_utf8(line).expect("UTF-8"),
            Message::Reopen | Message::End => panic!("nothing ends the log"),
        });
        (texts.collect(), dropped_lines.load(Ordering::Relaxed))
    }

    #[test]
    fn text_lines() {
        let (lines, _) = logged(LogFormat::Text, 9, |_| tracing::warn!(port = 1, "taken"));
        assert_eq!(lines.len(), 1);
        assert!(lines[0].ends_with("Z  WARN taken port=1\n"), "{lines:?}");
    }

    #[test]
    fn json_lines() {
        let (lines, _) = logged(LogFormat::Json, 9, |_| tracing::warn!(port = 1, "taken"));
        let end = r#"Z","level":"WARN","message":"taken","port":1}"#;
        assert_eq!(lines.len(), 1);
        assert!(lines[0].starts_with(r#"{"timestamp":""#), "{lines:?}");
        assert!(lines[0].ends_with(&format!("{end}\n")), "{lines:?}");
    }

    #[test]
    fn the_level_changes_while_it_runs() {
        let (lines, _) = logged(LogFormat::Text, 9, |level| {
            tracing::debug!("before");
            set_level(level, LogLevel::Debug);
            tracing::debug!("between");
            set_level(level, LogLevel::Off);
            tracing::error!("after");
        });
        assert_eq!(lines.len(), 1);
        assert!(lines[0].ends_with("DEBUG between\n"), "{lines:?}");
    }

    #[test]
    fn a_full_queue_drops_lines_and_counts_them() {
        let (lines, dropped) = logged(LogFormat::Text, 2, |_| {
            for number in 0..5 {
                tracing::info!(number, "line");
            }
        });
        assert_eq!((lines.len(), dropped), (2, 3));
    }
}
