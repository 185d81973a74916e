//! A plain blocking client: sends raw bytes, parses replies of RESP2 and RESP3 strictly, and shows
//! them in a one-line textual form that the cases are written in.

use std::fmt::{self, Display, Formatter};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long a reply may take before a test fails.
const REPLY_TIMEOUT: Duration = Duration::from_secs(20);

/// One reply of either protocol version.
///
/// Textual form: `OK`, `(error) ERR ...`, `5`, `"bulk"`, `(nil)`, `(nil array)`, `(null)` (RESP3),
/// `["a", 1]`, `{"key": 1}` (map), `~["a"]` (set), `>["a"]` (push), `,1.5` (double), `#t`,
/// `(12345` (big number), `=txt:"..."` (verbatim), `!"..."` (bulk error), `|{...} reply`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reply {
    /// `+`
    Simple(Vec<u8>),
    /// `-`
    Error(Vec<u8>),
    /// `:`
    Integer(i64),
    /// `$`
    Bulk(Vec<u8>),
    /// `$-1`
    NilBulk,
    /// `*-1`
    NilArray,
    /// `_`
    Null,
    /// `*`
    Array(Vec<Reply>),
    /// `%`
    Map(Vec<(Reply, Reply)>),
    /// `~`
    Set(Vec<Reply>),
    /// `>`
    Push(Vec<Reply>),
    /// `,` as it was written
    Double(Vec<u8>),
    /// `#`
    Boolean(bool),
    /// `(`
    BigNumber(Vec<u8>),
    /// `=`, format and text
    Verbatim(Vec<u8>, Vec<u8>),
    /// `!`
    BulkError(Vec<u8>),
    /// `|`, the attributes and the reply that follows them
    Attribute(Vec<(Reply, Reply)>, Box<Reply>),
}

impl Reply {
    /// Whether this is an error of either form.
    pub fn is_error(&self) -> bool {
        matches!(self, Reply::Error(_) | Reply::BulkError(_))
    }

    /// The text of a bulk, simple, verbatim or error reply; empty for others.
    pub fn text(&self) -> String {
        let bytes: &[u8] = match self {
            Reply::Simple(text) | Reply::Error(text) | Reply::Bulk(text) => text,
            Reply::BulkError(text) | Reply::Verbatim(_, text) => text,
            Reply::Double(text) | Reply::BigNumber(text) => text,
            Reply::Integer(_) | Reply::NilBulk | Reply::NilArray | Reply::Null => b"",
            Reply::Array(_) | Reply::Map(_) | Reply::Set(_) | Reply::Push(_) => b"",
            Reply::Boolean(_) | Reply::Attribute(..) => b"",
        };
        String::from_utf8_lossy(bytes).into_owned()
    }

    /// The number of an integer reply.
    pub fn integer(&self) -> Option<i64> {
        match self {
            Reply::Integer(number) => Some(*number),
            _ => None,
        }
    }

    /// The elements of an array, set or push; `None` for others.
    pub fn elements(&self) -> Option<&[Reply]> {
        match self {
            Reply::Array(elements) | Reply::Set(elements) | Reply::Push(elements) => Some(elements),
            _ => None,
        }
    }

    /// The same reply with the elements of the outermost array, set or map in order.
    pub fn sorted(mut self) -> Reply {
        match &mut self {
            Reply::Array(elements) | Reply::Set(elements) => elements.sort(),
            Reply::Map(pairs) => pairs.sort(),
            _ => {}
        }
        self
    }
}

impl Display for Reply {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Reply::Simple(text) => write!(out, "{}", escape(text)),
            Reply::Error(text) => write!(out, "(error) {}", escape(text)),
            Reply::Integer(number) => write!(out, "{number}"),
            Reply::Bulk(text) => write!(out, "\"{}\"", escape(text)),
            Reply::NilBulk => write!(out, "(nil)"),
            Reply::NilArray => write!(out, "(nil array)"),
            Reply::Null => write!(out, "(null)"),
            Reply::Array(elements) => write_elements(out, "[", elements),
            Reply::Set(elements) => write_elements(out, "~[", elements),
            Reply::Push(elements) => write_elements(out, ">[", elements),
            Reply::Map(pairs) => write_pairs(out, "{", pairs),
            Reply::Double(text) => write!(out, ",{}", escape(text)),
            Reply::Boolean(value) => write!(out, "{}", if *value { "#t" } else { "#f" }),
            Reply::BigNumber(text) => write!(out, "({}", escape(text)),
            Reply::Verbatim(format, text) => {
                write!(out, "={}:\"{}\"", escape(format), escape(text))
            }
            Reply::BulkError(text) => write!(out, "!\"{}\"", escape(text)),
            Reply::Attribute(pairs, reply) => {
                write_pairs(out, "|{", pairs)?;
                write!(out, " {reply}")
            }
        }
    }
}

fn write_elements(out: &mut Formatter<'_>, open: &str, elements: &[Reply]) -> fmt::Result {
    write!(out, "{open}")?;
    for (index, element) in elements.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        write!(out, "{comma}{element}")?;
    }
    write!(out, "]")
}

fn write_pairs(out: &mut Formatter<'_>, open: &str, pairs: &[(Reply, Reply)]) -> fmt::Result {
    write!(out, "{open}")?;
    for (index, (key, value)) in pairs.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        write!(out, "{comma}{key}: {value}")?;
    }
    write!(out, "}}")
}

/// Bytes as printable text: backslash escapes as in Redis's inline syntax.
pub fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            b'"' => text.push_str("\\\""),
            b'\\' => text.push_str("\\\\"),
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text
}

/// Splits a line into arguments with Redis's inline quoting: words, or `"..."` with escapes.
///
/// # Panics
/// When a quote is not closed: the line is part of a test.
pub fn split_words(line: &str) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let word = if let Some(quoted) = rest.strip_prefix('"') {
            let (word, after) = unescape_quoted(quoted);
            rest = after.trim_start();
            word
        } else {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            let word = rest.as_bytes()[..end].to_vec();
            rest = rest[end..].trim_start();
            word
        };
        words.push(word);
    }
    words
}

fn unescape_quoted(text: &str) -> (Vec<u8>, &str) {
    let bytes = text.as_bytes();
    let mut word = Vec::new();
    let mut at = 0;
    loop {
        match bytes.get(at) {
            None => panic!("unclosed quote: {text}"),
            Some(b'"') => return (word, &text[at + 1..]),
            Some(b'\\') => {
                at += 1;
                match bytes.get(at) {
                    Some(b'n') => word.push(b'\n'),
                    Some(b'r') => word.push(b'\r'),
                    Some(b't') => word.push(b'\t'),
                    Some(b'x') => {
                        let digits = &text[at + 1..at + 3];
                        word.push(u8::from_str_radix(digits, 16).expect("two hex digits"));
                        at += 2;
                    }
                    Some(other) => word.push(*other),
                    None => panic!("unclosed quote: {text}"),
                }
            }
            Some(byte) => word.push(*byte),
        }
        at += 1;
    }
}

/// The bytes that a text with backslash escapes stands for; quotes are bytes like others.
pub fn unescape(text: &str) -> Vec<u8> {
    let quoted = text.replace('"', "\\\"") + "\"";
    unescape_quoted(&quoted).0
}

/// A request as an array of bulk strings.
pub fn encode<A: AsRef<[u8]>>(arguments: &[A]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", arguments.len()).into_bytes();
    for argument in arguments {
        let argument = argument.as_ref();
        bytes.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        bytes.extend_from_slice(argument);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// A request as an inline command, every argument in double quotes.
pub fn encode_inline<A: AsRef<[u8]>>(arguments: &[A]) -> Vec<u8> {
    let quoted: Vec<String> = arguments
        .iter()
        .map(|argument| format!("\"{}\"", escape(argument.as_ref())))
        .collect();
    (quoted.join(" ") + "\r\n").into_bytes()
}

type TlsStream = rustls::StreamOwned<rustls::ClientConnection, TcpStream>;

enum Stream {
    Tcp(TcpStream),
    Tls(Box<TlsStream>),
    Unix(UnixStream),
}

impl Stream {
    fn set_read_timeout(&self, timeout: Duration) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.set_read_timeout(Some(timeout)),
            Stream::Tls(stream) => stream.sock.set_read_timeout(Some(timeout)),
            Stream::Unix(stream) => stream.set_read_timeout(Some(timeout)),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.read(buffer),
            Stream::Tls(stream) => stream.read(buffer),
            Stream::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.write(buffer),
            Stream::Tls(stream) => stream.write(buffer),
            Stream::Unix(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One connection to a server.
pub struct Client {
    stream: BufReader<Stream>,
}

impl Client {
    /// Connects over TCP to 127.0.0.1.
    pub fn connect_tcp(port: u16) -> io::Result<Client> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        Client::over(Stream::Tcp(stream))
    }

    /// Speaks over a TLS connection.
    pub fn from_tls(stream: TlsStream) -> Client {
        Client::over(Stream::Tls(Box::new(stream))).expect("a connection")
    }

    /// Connects to a unix socket.
    pub fn connect_unix(path: &Path) -> io::Result<Client> {
        Client::over(Stream::Unix(UnixStream::connect(path)?))
    }

    /// Speaks over a TCP connection that exists.
    pub fn from_tcp(stream: TcpStream) -> io::Result<Client> {
        stream.set_nodelay(true)?;
        Client::over(Stream::Tcp(stream))
    }

    fn over(stream: Stream) -> io::Result<Client> {
        stream.set_read_timeout(REPLY_TIMEOUT)?;
        Ok(Client {
            stream: BufReader::with_capacity(64 * 1024, stream),
        })
    }

    /// The same connection, to send on from another thread.
    pub fn try_clone(&self) -> io::Result<Client> {
        Client::over(match self.stream.get_ref() {
            Stream::Tcp(stream) => Stream::Tcp(stream.try_clone()?),
            Stream::Tls(_) => return Err(ErrorKind::Unsupported.into()),
            Stream::Unix(stream) => Stream::Unix(stream.try_clone()?),
        })
    }

    /// Changes how long a reply may take.
    pub fn set_timeout(&mut self, timeout: Duration) {
        let set = self.stream.get_ref().set_read_timeout(timeout);
        set.expect("a read timeout");
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Sends a command written as a line of words.
    ///
    /// # Panics
    /// When the connection fails.
    pub fn send_words(&mut self, line: &str) {
        let request = encode(&split_words(line));
        self.send(&request).expect("the request is sent");
    }

    /// Sends a command written as a line of words and reads its reply.
    ///
    /// # Panics
    /// When the connection fails or the reply is not RESP.
    pub fn command_words(&mut self, line: &str) -> Reply {
        self.command(&split_words(line))
    }

    /// Sends a command and reads its reply.
    ///
    /// # Panics
    /// When the connection fails or the reply is not RESP.
    pub fn command<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> Reply {
        self.send(&encode(arguments)).expect("the request is sent");
        match self.read_reply() {
            Ok(reply) => reply,
            Err(error) => {
                let name = arguments.first().map_or(&b""[..], AsRef::as_ref);
                panic!("no reply to {}: {error}", escape(name))
            }
        }
    }

    /// The number that INFO gives under this name.
    ///
    /// # Panics
    /// When there is none.
    pub fn info(&mut self, name: &str) -> u64 {
        let text = self.command_words("INFO everything").text();
        let value = text.lines().find_map(|line| {
            let (field, value) = line.split_once(':')?;
            (field == name).then(|| value.trim().parse())
        });
        value.expect(name).expect("a number")
    }

    /// Sends several commands at once and reads their replies.
    pub fn pipeline(&mut self, lines: &[&str]) -> Vec<Reply> {
        let mut bytes = Vec::new();
        for line in lines {
            bytes.extend(encode(&split_words(line)));
        }
        self.send(&bytes).expect("the requests are sent");
        let replies = lines
            .iter()
            .map(|line| self.read_reply().unwrap_or_else(|e| panic!("{line}: {e}")));
        replies.collect()
    }

    /// Reads one reply.
    ///
    /// # Errors
    /// `UnexpectedEof` when the server closed the connection, `InvalidData` for bytes that are not
    /// RESP, `WouldBlock` after the time limit.
    pub fn read_reply(&mut self) -> io::Result<Reply> {
        let line = self.read_line()?;
        let (kind, rest) = line
            .split_first()
            .ok_or_else(|| invalid("an empty line", &line))?;
        match kind {
            b'+' => Ok(Reply::Simple(rest.to_vec())),
            b'-' => Ok(Reply::Error(rest.to_vec())),
            b':' => Ok(Reply::Integer(parse_integer(rest)?)),
            b',' => Ok(Reply::Double(rest.to_vec())),
            b'(' => Ok(Reply::BigNumber(rest.to_vec())),
            b'#' => match rest {
                b"t" => Ok(Reply::Boolean(true)),
                b"f" => Ok(Reply::Boolean(false)),
                _ => Err(invalid("a boolean", &line)),
            },
            b'_' if rest.is_empty() => Ok(Reply::Null),
            b'$' if rest == b"-1" => Ok(Reply::NilBulk),
            b'*' if rest == b"-1" => Ok(Reply::NilArray),
            b'$' => Ok(Reply::Bulk(self.read_bulk(rest)?)),
            b'!' => Ok(Reply::BulkError(self.read_bulk(rest)?)),
            b'=' => self.read_verbatim(rest),
            b'*' => Ok(Reply::Array(self.read_elements(rest)?)),
            b'~' => Ok(Reply::Set(self.read_elements(rest)?)),
            b'>' => Ok(Reply::Push(self.read_elements(rest)?)),
            b'%' => Ok(Reply::Map(self.read_pairs(rest)?)),
            b'|' => {
                let attributes = self.read_pairs(rest)?;
                Ok(Reply::Attribute(attributes, Box::new(self.read_reply()?)))
            }
            _ => Err(invalid("a reply", &line)),
        }
    }

    /// Waits until there are bytes to read or the server has closed; true when it has.
    ///
    /// # Errors
    /// `WouldBlock` after the time limit.
    pub fn is_closed(&mut self) -> io::Result<bool> {
        match self.stream.fill_buf() {
            Ok(bytes) => Ok(bytes.is_empty()),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn read_line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        if !line.ends_with(b"\r\n") {
            return Err(invalid("a line that ends with CRLF", &line));
        }
        line.truncate(line.len() - 2);
        Ok(line)
    }

    fn read_bulk(&mut self, length: &[u8]) -> io::Result<Vec<u8>> {
        let length = parse_length(length)?;
        let mut bytes = vec![0; length + 2];
        self.stream.read_exact(&mut bytes)?;
        if !bytes.ends_with(b"\r\n") {
            return Err(invalid("a bulk string that ends with CRLF", &bytes));
        }
        bytes.truncate(length);
        Ok(bytes)
    }

    fn read_verbatim(&mut self, length: &[u8]) -> io::Result<Reply> {
        let bytes = self.read_bulk(length)?;
        if bytes.get(3) != Some(&b':') {
            return Err(invalid("a verbatim string", &bytes));
        }
        Ok(Reply::Verbatim(bytes[..3].to_vec(), bytes[4..].to_vec()))
    }

    fn read_elements(&mut self, length: &[u8]) -> io::Result<Vec<Reply>> {
        let length = parse_length(length)?;
        (0..length).map(|_| self.read_reply()).collect()
    }

    fn read_pairs(&mut self, length: &[u8]) -> io::Result<Vec<(Reply, Reply)>> {
        let length = parse_length(length)?;
        let pairs = (0..length).map(|_| Ok((self.read_reply()?, self.read_reply()?)));
        pairs.collect()
    }
}

fn parse_integer(digits: &[u8]) -> io::Result<i64> {
    let text = std::str::from_utf8(digits).ok();
    let number = text.and_then(|text| text.parse().ok());
    number.ok_or_else(|| invalid("an integer", digits))
}

fn parse_length(digits: &[u8]) -> io::Result<usize> {
    usize::try_from(parse_integer(digits)?).map_err(|_| invalid("a length", digits))
}

fn invalid(expected: &str, bytes: &[u8]) -> io::Error {
    let shown = escape(&bytes[..bytes.len().min(200)]);
    io::Error::new(
        ErrorKind::InvalidData,
        format!("expected {expected}: {shown}"),
    )
}
