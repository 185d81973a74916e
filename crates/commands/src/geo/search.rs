//! What is found by where it is: GEOSEARCH, GEOSEARCHSTORE, GEORADIUS, GEORADIUSBYMEMBER and what of them only reads.

use std::cmp::Ordering;

use keyspace::{Contents, Direction, Item, Number, ScoreBound, SortedSet};
use resp::{Args, ReplyWriter};

use super::area;
use super::cell::Cell;
use super::order::sort_first;
use super::position::{Position, show_distance};
use super::request::{Destination, Details, Form, Order, Request, StoredScore, Storing};
use super::shape::Shape;
use crate::context::{Context, check_reply};
use crate::error::CommandError;
use crate::sorted_sets::store;

/// A member inside the shape.
struct Found<'k> {
    member: Item<'k>,
    score: f64,
    position: Position,
    distance_m: f64,
}

/// The members inside a shape, or `most` of them.
fn find<'k>(set: Contents<'k, SortedSet>, shape: &Shape, most: usize) -> Vec<Found<'k>> {
    let members = area::cells(shape).into_iter().flat_map(|cell| {
        let (lowest, end) = cell.scores();
        let (lowest, end) = (ScoreBound::Included(lowest), ScoreBound::Excluded(end));
        set.range(set.ranks_by_score(lowest, end), Direction::Forward)
    });
    let found = members.filter_map(|(member, score)| {
        let position = Cell::of_score(score).center();
        Some(Found {
            distance_m: shape.distance_inside_m(position)?,
            member,
            score,
            position,
        })
    });
    found.take(most).collect()
}

/// The members that a request asks for, in their order.
fn choose<'k>(set: Contents<'k, SortedSet>, request: &Request, shape: &Shape) -> Vec<Found<'k>> {
    let wanted = request.count.unwrap_or(usize::MAX);
    let most = if request.is_any_enough {
        wanted
    } else {
        usize::MAX
    };
    let mut found = find(set, shape, most);
    let nearest = |left: &Found<'_>, right: &Found<'_>| {
        let order = left.distance_m.partial_cmp(&right.distance_m);
        order.unwrap_or(Ordering::Equal)
    };
    match request.order {
        Order::Any => {}
        Order::Nearest => sort_first(&mut found, wanted, &nearest),
        Order::Farthest => sort_first(&mut found, wanted, &|left, right| nearest(right, left)),
    }
    found.truncate(wanted);
    found
}

fn search(context: &mut Context<'_, '_>, args: Args<'_>, form: Form) -> Result<(), CommandError> {
    let key = context.key(args, form.source());
    let set = context.keys.read_collection::<SortedSet>(key)?;
    let request = Request::parse(form, args, set)?;
    let shape = request.shape.as_ref();
    let found = set
        .zip(shape)
        .map_or(Vec::new(), |(set, shape)| choose(set, &request, shape));
    let unit_m = shape.map_or(1.0, |shape| shape.unit.meters());
    let Some(Destination { place, score }) = request.destination else {
        let (reply, start) = (&mut context.reply, context.reply_start);
        reply.array(found.len());
        for found in &found {
            show(reply, found, unit_m, request.details);
            check_reply(reply, start, 0)?;
        }
        return Ok(());
    };
    let members = to_members(&found, unit_m, score);
    let destination = context.key(args, place);
    store(context, destination, &members);
    Ok(())
}

fn show(reply: &mut ReplyWriter<'_>, found: &Found<'_>, unit_m: f64, details: Details) {
    if details.count() > 0 {
        reply.array(1 + details.count());
    }
    reply.bulk(found.member.bytes(&mut Number::new()));
    if details.distance {
        show_distance(reply, found.distance_m / unit_m);
    }
    if details.hash {
        reply.integer(found.score as i64);
    }
    if details.coordinates {
        found.position.show(reply);
    }
}

/// What is found as members of a sorted set, in their order there.
fn to_members(found: &[Found<'_>], unit_m: f64, score: StoredScore) -> Vec<(Vec<u8>, f64)> {
    let member = |found: &Found<'_>| {
        let name = found.member.bytes(&mut Number::new()).to_vec();
        let score = match score {
            StoredScore::Hash => found.score,
            StoredScore::Distance => found.distance_m / unit_m,
        };
        (name, score)
    };
    let mut members: Vec<_> = found.iter().map(member).collect();
    members.sort_unstable_by(|(left, left_score), (right, right_score)| {
        let by_score = left_score.partial_cmp(right_score);
        let by_score = by_score.unwrap_or(Ordering::Equal);
        by_score.then_with(|| left.cmp(right))
    });
    members
}

pub fn geosearch(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    search(context, args, Form::Search)
}

pub fn geosearchstore(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    search(context, args, Form::SearchStore)
}

pub fn georadius(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    search(context, args, Form::AroundPosition(Storing::Allowed))
}

pub fn georadius_ro(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    search(context, args, Form::AroundPosition(Storing::Never))
}

pub fn georadiusbymember(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
) -> Result<(), CommandError> {
    search(context, args, Form::AroundMember(Storing::Allowed))
}

pub fn georadiusbymember_ro(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
) -> Result<(), CommandError> {
    search(context, args, Form::AroundMember(Storing::Never))
}
