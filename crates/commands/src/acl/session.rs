//! A session's user: logging in and out, and following what becomes of the user.

use std::sync::Arc;

use super::user::User;
use super::users::Acl;
use crate::clients::ClientUser;
use crate::session::Session;

/// What has become of a session's user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Followed {
    /// It is still there.
    Present,
    /// It was removed: the connection must close.
    Removed,
}

impl Session {
    /// Makes it the session of this user.
    pub fn log_in(&mut self, user: Arc<User>) {
        self.become_user(user);
        self.is_logged_in = true;
        self.authenticated = true;
        self.may_everything = self.user.may_everything();
    }

    /// Makes it what a new connection's session is.
    pub fn log_out(&mut self, acl: &Acl) {
        self.acl_generation = acl.generation();
        self.become_user(acl.default_user());
        let is_open = self.user.is_open();
        self.is_logged_in = is_open;
        self.authenticated = is_open;
        self.may_everything = is_open && self.user.may_everything();
    }

    /// Takes over the changes of its user.
    #[inline(always)]
    pub(crate) fn follow(&mut self, acl: &Acl) -> Followed {
        if self.acl_generation == acl.generation() {
            return Followed::Present;
        }
        self.catch_up(acl)
    }

    #[cold]
    #[inline(never)]
    fn catch_up(&mut self, acl: &Acl) -> Followed {
        // The generation first: a change in between is then seen the next time.
        let generation = acl.generation();
        let Some(user) = acl.current(&self.user) else {
            self.log_out(acl);
            self.is_logged_in = false;
            self.authenticated = false;
            self.may_everything = false;
            self.closes = true;
            return Followed::Removed;
        };
        self.acl_generation = generation;
        self.user = user;
        self.authenticated = self.is_logged_in || acl.is_open();
        self.may_everything = self.authenticated && self.user.may_everything();
        Followed::Present
    }

    fn become_user(&mut self, user: Arc<User>) {
        *self.client.user.lock() = ClientUser {
            id: user.id,
            name: user.name.clone(),
        };
        self.user = user;
    }
}
