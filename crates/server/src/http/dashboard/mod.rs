//! The dashboard: one page with everything in it, and the numbers that it asks for about once a second.
//!
//! The page is put together for each request, because its Content-Security-Policy lets only what has the answer's own
//! nonce be a style or a script. Whatever comes from clients is put into the page as text, never as markup.

mod numbers;

use super::response::{HTML, Response};
use super::routes::Asked;
use super::status::Status;

pub use self::numbers::numbers;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// The page.
pub fn page(_: &Asked<'_>) -> Response {
    let mut random = [0; 16];
    if getrandom::fill(&mut random).is_err() {
        return Response::of_status(Status::InternalServerError);
    }
    let nonce: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; \
         img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'"
    );
    // The nonce last: the others hold no random text, and the nonce no place for them.
    let page = PAGE
        .replace("{{style}}", STYLE)
        .replace("{{script}}", SCRIPT)
        .replace("{{nonce}}", &nonce);
    Response::new(HTML, page)
        .with_header("Content-Security-Policy", policy)
        .with_header("Referrer-Policy", "no-referrer")
        .with_header("X-Frame-Options", "DENY")
}
