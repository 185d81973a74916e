//! The paths, what answers them, and who may see them.

use std::net::IpAddr;
use std::sync::Arc;

use commands::shared::Shared;

use super::access::Doorkeeper;
use super::request::Request;
use super::response::Response;
use super::status::Status;
use super::{cache, dashboard, health, metrics};
use crate::process::Process;

/// One path.
struct Route {
    path: &'static str,
    access: Access,
    answer: fn(&Asked<'_>) -> Response,
}

/// Who may see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    /// Whoever can connect.
    Everyone,
    /// What shows keys or clients: see [`Doorkeeper`].
    Trusted,
}

const ROUTES: &[Route] = &[
    open("/health", health::health),
    open("/live", health::live),
    open("/ready", health::ready),
    open("/startup", health::startup),
    open("/metrics", metrics::metrics),
    open("/cache/curve", cache::curve),
    trusted("/cache/hotkeys", cache::hot_keys),
    trusted("/cache/bigkeys", cache::big_keys),
    trusted("/", dashboard::page),
    trusted("/dashboard.json", dashboard::numbers),
];

const fn open(path: &'static str, answer: fn(&Asked<'_>) -> Response) -> Route {
    Route {
        path,
        access: Access::Everyone,
        answer,
    }
}

const fn trusted(path: &'static str, answer: fn(&Asked<'_>) -> Response) -> Route {
    Route {
        path,
        access: Access::Trusted,
        answer,
    }
}

/// A request, and what there is to answer it from.
pub struct Asked<'s> {
    /// The request.
    pub request: &'s Request,
    /// The process.
    pub process: &'s Process,
    /// What the commands share.
    pub shared: &'s Shared,
}

impl Asked<'_> {
    /// Now, in milliseconds of the Unix epoch.
    pub fn now_ms(&self) -> u64 {
        self.process.clock.now_ms()
    }
}

/// Everything that is served.
pub struct Site {
    process: Arc<Process>,
    shared: Arc<Shared>,
    doorkeeper: Doorkeeper,
}

impl Site {
    /// That of this process.
    pub fn new(process: Arc<Process>, shared: Arc<Shared>) -> Self {
        Self {
            process,
            shared,
            doorkeeper: Doorkeeper::default(),
        }
    }

    /// Answers a request that comes from this address.
    pub fn answer(&mut self, request: &Request, address: Option<IpAddr>) -> Response {
        let asked = Asked {
            request,
            process: &self.process,
            shared: &self.shared,
        };
        let route = ROUTES.iter().find(|route| route.path == request.path);
        let Some(route) = route.filter(|route| is_served(route, &asked)) else {
            return Response::text(Status::NotFound, &paths(&asked));
        };
        if route.access == Access::Trusted {
            let authorization = request.authorization.as_deref();
            let checked =
                self.doorkeeper
                    .check(&asked.shared.acl, authorization, address, asked.now_ms());
            if let Err(refusal) = checked {
                return refusal;
            }
        }
        (route.answer)(&asked)
    }
}

/// Whether there is such a path now.
fn is_served(route: &Route, asked: &Asked<'_>) -> bool {
    let is_dashboard = ["/", "/dashboard.json"].contains(&route.path);
    !is_dashboard || asked.process.config.settings().server.dashboard
}

/// All paths, for somebody who looks for one.
fn paths(asked: &Asked<'_>) -> String {
    let served = ROUTES.iter().filter(|route| is_served(route, asked));
    let paths: Vec<&str> = served.map(|route| route.path).collect();
    format!("There is no such path. There are: {}", paths.join(" "))
}
