//! One line of CLIENT LIST.

use std::fmt::Write;
use std::sync::atomic::Ordering::Relaxed;

use crate::clients::{Client, client_flag};
use crate::limits::FIRST_REPLY_BYTES;

/// Who looks, and when.
#[derive(Clone, Copy)]
pub struct Viewer {
    /// The number of the connection that asks.
    pub id: u64,
    /// Bytes of the arguments of its command.
    pub argument_bytes: usize,
    /// Now, in milliseconds of the Unix epoch.
    pub now_ms: u64,
}

impl Viewer {
    /// Bytes of a client's arguments that are not in its account: those of the command that asks.
    fn bytes_of(&self, client: &Client) -> u64 {
        if client.id == self.id {
            self.argument_bytes as u64
        } else {
            0
        }
    }
}

/// Appends what is known of a client, with a line end.
pub fn write_line(line: &mut String, client: &Client, viewer: Viewer) {
    // Strings take everything.
    let _ = try_write_line(line, client, viewer);
}

fn try_write_line(line: &mut String, client: &Client, viewer: Viewer) -> std::fmt::Result {
    let Client {
        id,
        address,
        local_address,
        descriptor,
        ..
    } = client;
    let names = client.names.lock().clone();
    let (name, age, idle) = (
        &names.name,
        age_seconds(client, viewer),
        idle_seconds(client, viewer),
    );
    let database = client.database.load(Relaxed);
    write!(
        line,
        "id={id} addr={address} laddr={local_address} fd={descriptor} name={name} age={age} idle={idle}"
    )?;
    write!(
        line,
        " flags={} db={database} sub=0 psub=0 ssub=0",
        flags(client)
    )?;
    let (queued, watched) = (client.queued.load(Relaxed), client.watched.load(Relaxed));
    write!(line, " multi={} watch={watched}", i64::from(queued) - 1)?;
    write_memory(line, client, viewer)?;
    let (command, protocol) = (command(client), client.protocol.load(Relaxed));
    let user = client.user.lock().name.clone();
    let user = String::from_utf8_lossy(&user);
    write!(line, " cmd={command} user={user} redir=-1 resp={protocol}")?;
    write!(
        line,
        " lib-name={} lib-ver={} io-thread={}",
        names.library, names.library_version, client.worker
    )?;
    let received = client.received_bytes.load(Relaxed);
    let (sent, commands) = (
        client.sent_bytes.load(Relaxed),
        client.commands.load(Relaxed),
    );
    writeln!(
        line,
        " tot-net-in={received} tot-net-out={sent} tot-cmds={commands}"
    )
}

fn write_memory(line: &mut String, client: &Client, viewer: Viewer) -> std::fmt::Result {
    let of_command = viewer.bytes_of(client);
    let arguments = client.partial_bytes.load(Relaxed) + of_command;
    let (input, output) = (
        client.input_bytes.load(Relaxed),
        client.output_bytes.load(Relaxed),
    );
    let queued = client.queued_bytes.load(Relaxed);
    // Monitors look for clients that read slowly by the rest, `omem`.
    let in_first = output.min(FIRST_REPLY_BYTES);
    let in_list = output - in_first;
    let lists = u64::from(in_list > 0);
    let total = client.memory_bytes() + of_command;
    let events = if output > 0 { "rw" } else { "r" };
    write!(
        line,
        " qbuf={input} qbuf-free=0 argv-mem={arguments} multi-mem={queued}"
    )?;
    write!(
        line,
        " rbs={output} rbp={output} obl={in_first} oll={lists} omem={in_list}"
    )?;
    write!(line, " tot-mem={total} events={events}")
}

/// The letters that Redis uses for a client's state.
pub fn flags(client: &Client) -> String {
    let set = client.flags.load(Relaxed);
    let letters = [
        (set & client_flag::MONITOR != 0, 'O'),
        (client.queued.load(Relaxed) != 0, 'x'),
        (set & client_flag::DIRTY != 0, 'd'),
        (set & client_flag::CLOSING != 0, 'c'),
        (client.killed.load(Relaxed), 'A'),
        (client.is_unix, 'U'),
        (set & client_flag::NO_EVICT != 0, 'e'),
        (set & client_flag::NO_TOUCH != 0, 'T'),
    ];
    let set = letters.iter().filter(|(is_set, _)| *is_set);
    let flags: String = set.map(|(_, letter)| letter).collect();
    if flags.is_empty() {
        "N".to_owned()
    } else {
        flags
    }
}

/// Seconds since the client connected.
pub fn age_seconds(client: &Client, viewer: Viewer) -> u64 {
    viewer.now_ms.saturating_sub(client.created_ms) / 1000
}

/// Seconds since the client last sent something.
pub fn idle_seconds(client: &Client, viewer: Viewer) -> u64 {
    if client.id == viewer.id {
        return 0;
    }
    viewer.now_ms.saturating_sub(client.active_ms.load(Relaxed)) / 1000
}

/// Its last command.
fn command(client: &Client) -> &'static str {
    client.command().unwrap_or("NULL")
}
