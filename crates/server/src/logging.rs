//! The log: one line for each event, to standard error, as text or JSON, with a level that can be
//! changed while the server runs.
//!
//! Lines go to a thread of their own through a bounded queue, so that a reader of standard error who
//! stops reading stops no worker. Lines that find the queue full are dropped, and their number is
//! logged when it has room again.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::SetGlobalDefaultError;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry, reload};

use crate::config::{Config, LogFormat, LogLevel, LoggingSettings};

/// Lines that wait to be written, at most.
const QUEUE_LINES_MAX: usize = 1024;

/// What goes through the queue.
enum Message {
    Line(Vec<u8>),
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
    /// No thread could be started.
    Thread(io::Error),
    /// This process has a log already.
    Started(SetGlobalDefaultError),
}

/// Starts the log of this process. It can be started once.
pub fn start(settings: &LoggingSettings) -> Result<Logging, LoggingError> {
    let (queue, lines) = sync_channel(QUEUE_LINES_MAX);
    let dropped_lines = Arc::new(AtomicU64::new(0));
    let dropped = Arc::clone(&dropped_lines);
    let writer = thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || write_lines(&lines, &dropped, &mut io::stderr()))
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

impl Logging {
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

/// Writes lines as they come, until the end is announced.
fn write_lines(queue: &Receiver<Message>, dropped_lines: &AtomicU64, out: &mut impl Write) {
    while let Ok(Message::Line(line)) = queue.recv() {
        // Where the log itself cannot be written, nobody can be told.
        let _ = out.write_all(&line);
        let dropped = dropped_lines.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            tracing::warn!(lines = dropped, "the log was too slow: lines were dropped");
        }
    }
    let _ = out.flush();
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
        };
        let (subscriber, level) = subscriber(&settings, writer);
        tracing::subscriber::with_default(subscriber, || events(&level));
        let texts = lines.try_iter().map(|message| match message {
            Message::Line(line) => String::from_utf8(line).expect("UTF-8"),
            Message::End => panic!("nothing ends the log"),
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
