//! What is in lists: LLEN, LINDEX, LRANGE, LPOS, LSET, LINSERT, LREM, LTRIM.

use keyspace::{Contents, Draft, End, Equal, Item, List, Number};
use resp::Args;

use crate::context::{Context, check_reply};
use crate::error::CommandError;
use crate::parse::{integer, is, negatable, positive};

pub fn llen(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = context.key(args, 1);
    let list = context.keys.read_collection::<List>(key)?;
    context
        .reply
        .integer(list.map_or(0, |list| list.len()) as i64);
    Ok(())
}

/// The place of an index that may count from the end; None if it is before the first element.
fn place(index: i64, len: usize) -> Option<usize> {
    match usize::try_from(index) {
        Ok(place) => Some(place),
        Err(_) => len.checked_sub(usize::try_from(index.unsigned_abs()).ok()?),
    }
}

/// The first element of a range and how many there are.
fn range(start: i64, end: i64, len: usize) -> (usize, usize) {
    let start = place(start, len).unwrap_or(0);
    let behind = place(end, len).map_or(0, |end| end.saturating_add(1).min(len));
    (start, behind.saturating_sub(start))
}

pub fn lindex(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = context.key(args, 1);
    let Some(list) = context.keys.read_collection::<List>(key)? else {
        context.reply.null();
        return Ok(());
    };
    let place = place(integer(args.get(2))?, list.len());
    match place.and_then(|place| list.get(place)) {
        None => context.reply.null(),
        Some(element) => context.reply.bulk(element.bytes(&mut Number::new())),
    }
    Ok(())
}

pub fn lrange(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let (start, end) = (integer(args.get(2))?, integer(args.get(3))?);
    let key = context.key(args, 1);
    let Some(list) = context.keys.read_collection::<List>(key)? else {
        context.reply.array(0);
        return Ok(());
    };
    let (start, count) = range(start, end, list.len());
    let (reply, reply_start) = (&mut context.reply, context.reply_start);
    reply.array(count);
    if count == 0 {
        return Ok(());
    }
    for element in list.elements_from(start).take(count) {
        match element {
            Item::Bytes(element) => reply.bulk_in_place(element),
            Item::Integer(element) => reply.bulk_integer(element),
        }
        check_reply(reply, reply_start, 0)?;
    }
    Ok(())
}

/// What LPOS looks for.
struct Search {
    /// The matches before the first that counts.
    skipped: u64,
    from: End,
    /// How many matches are asked for; None for one that is not in an array.
    count: Option<usize>,
    /// How many elements are looked at.
    looks_max: usize,
}

impl Search {
    fn parse(options: Args<'_>) -> Result<Self, CommandError> {
        let (mut rank, mut count, mut looks_max) = (1, None, 0);
        let mut options = options.iter();
        while let Some(option) = options.next() {
            let value = options.next().ok_or(CommandError::Syntax)?;
            let not_negative = |line| positive(value).map_err(|_| CommandError::line(line));
            if is(option, "RANK") {
                rank = negatable(value)?;
                if rank == 0 {
                    return Err(CommandError::line(
                        "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list",
                    ));
                }
            } else if is(option, "COUNT") {
                count = Some(not_negative("ERR COUNT can't be negative")?);
            } else if is(option, "MAXLEN") {
                looks_max = not_negative("ERR MAXLEN can't be negative")?;
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(Self {
            skipped: rank.unsigned_abs() - 1,
            from: if rank < 0 { End::Back } else { End::Front },
            count: count.map(or_all),
            looks_max: or_all(looks_max),
        })
    }

    /// Shows the places of the matches, until the function fails.
    fn run(
        &self,
        list: Contents<'_, List>,
        element: &[u8],
        mut show: impl FnMut(usize) -> Result<(), CommandError>,
    ) -> Result<(), CommandError> {
        let (wanted, len) = (Item::from_client(element), list.len());
        let is_wanted = |(_, item): &(usize, Item<'_>)| *item == wanted;
        let skipped = usize::try_from(self.skipped).unwrap_or(usize::MAX);
        let count = self.count.unwrap_or(1);
        match self.from {
            End::Front => {
                let looked_at = list.elements_from(0).take(self.looks_max).enumerate();
                let mut found = looked_at.filter(is_wanted).skip(skipped).take(count);
                found.try_for_each(|(at, _)| show(at))
            }
            End::Back => {
                let looked_at = list.elements_back().take(self.looks_max).enumerate();
                let mut found = looked_at.filter(is_wanted).skip(skipped).take(count);
                found.try_for_each(|(at, _)| show(len - 1 - at))
            }
        }
    }
}

/// 0 stands for all.
fn or_all(count: usize) -> usize {
    if count == 0 { usize::MAX } else { count }
}

pub fn lpos(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let search = Search::parse(args.tail(3))?;
    let key = context.key(args, 1);
    let list = context.keys.read_collection::<List>(key)?;
    let (reply, start) = (&mut context.reply, context.reply_start);
    if search.count.is_none() {
        let mut found = None;
        if let Some(list) = list {
            search.run(list, args.get(2), |at| {
                found = Some(at);
                Ok(())
            })?;
        }
        match found {
            None => reply.null(),
            Some(at) => reply.integer(at as i64),
        }
        return Ok(());
    }
    let deferred = reply.begin_array();
    let mut count = 0;
    if let Some(list) = list {
        search.run(list, args.get(2), |at| {
            reply.integer(at as i64);
            count += 1;
            check_reply(reply, start, 0)
        })?;
    }
    reply.end_array(deferred, count);
    Ok(())
}

pub fn lset(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = context.key(args, 1);
    let Some(list) = context.keys.peek_collection::<List>(key)? else {
        return Err(CommandError::NoSuchKey);
    };
    let len = list.len();
    let place = place(integer(args.get(2))?, len).filter(|place| *place < len);
    let place = place.ok_or(CommandError::line("ERR index out of range"))?;
    let set = |list: &mut Draft<'_, List>| list.set(place, args.get(3));
    context.keys.change_collection(key, set)?;
    context.reply.ok();
    Ok(())
}

pub fn linsert(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let behind = match args.get(2) {
        before if is(before, "BEFORE") => 0,
        after if is(after, "AFTER") => 1,
        _ => return Err(CommandError::Syntax),
    };
    let key = context.key(args, 1);
    let Some(list) = context.keys.peek_collection::<List>(key)? else {
        context.reply.integer(0);
        return Ok(());
    };
    let pivot = Item::from_client(args.get(3));
    let Some(at) = list.elements_from(0).position(|item| item == pivot) else {
        context.reply.integer(-1);
        return Ok(());
    };
    let len = list.len() + 1;
    let insert = |list: &mut Draft<'_, List>| list.insert(at + behind, args.get(4));
    context.keys.change_collection(key, insert)?;
    context.reply.integer(len as i64);
    Ok(())
}

pub fn lrem(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let count = integer(args.get(2))?;
    let equal = Equal {
        from: if count < 0 { End::Back } else { End::Front },
        limit: or_all(usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX)),
    };
    let key = context.key(args, 1);
    let remove = |list: &mut Draft<'_, List>| list.remove_equal(args.get(3), equal);
    let removed = context.keys.change_collection(key, remove)?;
    context.reply.integer(removed as i64);
    Ok(())
}

pub fn ltrim(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let (start, end) = (integer(args.get(2))?, integer(args.get(3))?);
    let key = context.key(args, 1);
    context.keys.change_collection::<List, _>(key, |list| {
        let len = list.contents().len();
        let (start, count) = range(start, end, len);
        if count == 0 {
            return list.trim(End::Front, len);
        }
        list.trim(End::Back, len - start - count);
        list.trim(End::Front, start);
    })?;
    context.reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::check;

    #[test]
    fn elements_are_found_by_their_index() {
        check(
            "RPUSH l a b c 4
             LINDEX l 0
             LINDEX l -1
             LINDEX l 4
             LINDEX l -5
             LINDEX missing x
             LINDEX l x
             LRANGE l 1 2
             LRANGE l -100 100
             LRANGE l 2 1
             LRANGE l 9 12
             LRANGE l 0 -5
             LRANGE l -9223372036854775808 9223372036854775807
             LRANGE missing 0 -1
             LRANGE l x 1",
            ":4
             a
             4
             nil
             nil
             nil
             -ERR value is not an integer or out of range
             [b c]
             [a b c 4]
             []
             []
             []
             [a b c 4]
             []
             -ERR value is not an integer or out of range",
        );
    }

    #[test]
    fn elements_are_found_by_what_they_are() {
        check(
            "RPUSH l a b c 1 2 3 c c
             LPOS l c
             LPOS l c RANK 2
             LPOS l c RANK -1
             LPOS l c COUNT 2
             LPOS l c COUNT 0
             LPOS l c COUNT 2 RANK -1
             LPOS l c COUNT 0 MAXLEN 3
             LPOS l c MAXLEN 2
             LPOS l x COUNT 0
             LPOS l 01
             LPOS missing a
             LPOS missing a COUNT 1
             LPOS l c RANK 9223372036854775807 COUNT 0
             LPOS l c RANK 0
             LPOS l c RANK -9223372036854775808
             LPOS l c COUNT -1
             LPOS l c MAXLEN x
             LPOS l c COUNT",
            ":8
             :2
             :6
             :7
             [:2 :6]
             [:2 :6 :7]
             [:7 :6]
             [:2]
             nil
             []
             nil
             nil
             []
             []
             -ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list
             -ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807
             -ERR COUNT can't be negative
             -ERR MAXLEN can't be negative
             -ERR syntax error",
        );
    }

    #[test]
    fn the_middle_changes() {
        check(
            "RPUSH l a b c b a
             LSET l 1 x
             LSET l -1 17
             LRANGE l 0 -1
             LSET l 5 x
             LSET l -6 x
             LSET missing x x
             LINSERT l BEFORE a 0
             LINSERT l after 17 z
             LINSERT l AFTER nosuch z
             LINSERT missing BEFORE a z
             LINSERT l UNDER a z
             LRANGE l 0 -1",
            ":5
             OK
             OK
             [a x c b 17]
             -ERR index out of range
             -ERR index out of range
             -ERR no such key
             :6
             :7
             :-1
             :0
             -ERR syntax error
             [0 a x c b 17 z]",
        );
    }

    #[test]
    fn elements_are_removed() {
        check(
            "RPUSH l a b a c a b
             LREM l -2 a
             LRANGE l 0 -1
             LREM l 1 b
             LREM l 0 nosuch
             LREM missing 0 a
             LREM l x a
             LREM l 0 a
             LTRIM l 0 0
             LRANGE l 0 -1
             LTRIM l 5 1
             EXISTS l
             LTRIM l 0 1
             RPUSH l 1 2 3 4 5
             LTRIM l -3 -2
             LRANGE l 0 -1",
            ":6
             :2
             [a b c b]
             :1
             :0
             :0
             -ERR value is not an integer or out of range
             :1
             OK
             [c]
             OK
             :0
             OK
             :5
             OK
             [3 4]",
        );
    }
}
