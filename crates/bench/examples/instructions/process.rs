//! A process that there is nothing to know of: the commands that are counted ask nothing of it.

use commands::acl::Acl;
use commands::clients::Client;
use commands::shared::{Facts, Process};

/// No password, no settings, nobody to wake.
pub struct Nothing;

impl Process for Nothing {
    fn config_get(&self, _: &[&[u8]]) -> Vec<(String, String)> {
        Vec::new()
    }

    fn config_set(&self, _: &[(&[u8], &[u8])]) -> Result<(), String> {
        Ok(())
    }

    fn config_rewrite(&self, _: &Acl) -> Result<(), String> {
        Ok(())
    }

    fn facts(&self) -> Facts {
        Facts::default()
    }

    fn reset_stats(&self) {}

    fn purge_memory(&self) {}

    fn fill_random(&self, _: &mut [u8]) -> Result<(), String> {
        Ok(())
    }

    fn read_acl_file(&self) -> Result<Option<(String, Vec<u8>)>, String> {
        Ok(None)
    }

    fn write_acl_file(&self, _: &[u8]) -> Result<bool, String> {
        Ok(false)
    }

    fn report_wrong_passwords(&self, _: &str, _: u32) {}

    fn close_killed(&self, _: &Client) {}

    fn wake_all(&self) {}

    fn shutdown(&self, _: bool) {}
}
