//! What `Backend` promises, checked over every implementation that talks to the system.

mod cases;
mod fills;
mod harness;
mod shared;

/// Runs each case over each backend.
macro_rules! over_each_backend {
    ($($subject:ident { $($case:ident)* })*) => {
        mod mio_backend {
            $($(
                #[test]
                fn $case() {
                    crate::$subject::$case::<net::MioBackend>();
                }
            )*)*
        }

        #[cfg(target_os = "linux")]
        mod uring {
            $($(
                #[test]
                fn $case() {
                    crate::$subject::$case::<net::Uring>();
                }
            )*)*
        }
    };
}

over_each_backend! {
    cases {
        echoes_over_tcp
        echoes_over_ipv6
        echoes_over_a_unix_socket
        tells_listeners_apart
        stops_listening
        moves_a_socket_to_another_backend
        refuses_more_connections_than_configured
        carries_much_in_both_directions
        finishes_a_send_when_the_peer_reads
        aborts_a_blocked_send_on_close
        closes_with_a_send_just_begun
        reports_lazy_sends_with_the_next_event
        sends_after_the_peer_has_finished_writing
        reports_a_reset_once
        reports_a_send_to_nobody
        reports_nothing_after_close_but_closed
        ignores_stale_ids
        pauses_and_resumes
        reports_the_end_after_a_pause
        stops_receiving_without_buffers
        tells_what_its_buffers_take
        wakes_from_another_thread
        coalesces_wakes
        drops_with_everything_in_flight
        serves_many_connections
        acts_on_more_connections_than_fit_into_a_queue
        refuses_options_out_of_range
    }
    shared {
        sends_shared_pieces_to_a_slow_reader
        sends_more_pieces_than_one_call_takes
        sends_shared_pieces_lazily
        lets_go_of_shared_pieces_after_a_reset
        lets_go_of_shared_pieces_after_close
    }
    fills {
        fills_whole
        fills_in_trickles
        fills_after_what_was_received
        fills_one_after_the_other
        fills_without_pool_buffers
        receives_what_follows_a_fill
        ends_in_the_middle_of_a_fill
        is_reset_in_the_middle_of_a_fill
        pauses_and_resumes_a_fill
        closes_in_the_middle_of_a_fill
        drops_in_the_middle_of_fills
        fills_nothing_after_the_end
        refuses_fills_that_cannot_be
    }
}
