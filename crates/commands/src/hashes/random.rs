//! Fields by chance: HRANDFIELD.

use std::collections::BTreeMap;

use keyspace::{Contents, Encoding, Field, Hash, Number, Random};
use resp::{Args, Protocol, ReplyWriter};

use crate::context::{Context, check_reply};
use crate::error::CommandError;
use crate::keys::random;
use crate::parse::{is, negatable};

pub fn hrandfield(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    if args.len() > 2 {
        return several(context, args);
    }
    let (key, now_ms) = (context.key(args, 1), context.now_ms());
    let mut random = random(context);
    let hash = context.keys.read_collection::<Hash>(key)?;
    match hash.and_then(|hash| hash.random(&mut random, now_ms)) {
        None => context.reply.null(),
        Some(field) => context.reply.bulk(field.name.bytes(&mut Number::new())),
    }
    Ok(())
}

/// The count and WITHVALUES.
fn options(args: Args<'_>) -> Result<(i64, bool), CommandError> {
    let count = negatable(args.get(2))?;
    let has_values = match args.len() {
        3 => false,
        4 if is(args.get(3), "WITHVALUES") => true,
        _ => return Err(CommandError::Syntax),
    };
    if has_values && count.unsigned_abs() > i64::MAX.unsigned_abs() / 2 {
        return Err(CommandError::line("ERR value is out of range"));
    }
    Ok((count, has_values))
}

fn several(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let (count, has_values) = options(args)?;
    let (key, now_ms) = (context.key(args, 1), context.now_ms());
    let mut random = random(context);
    let hash = context.keys.read_collection::<Hash>(key)?;
    let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    let hash = hash.filter(|hash| wanted > 0 && hash.count(now_ms) > 0);
    let Some(hash) = hash else {
        context.reply.array(0);
        return Ok(());
    };
    let mut reply = FieldsReply {
        has_values,
        start: context.reply_start,
        reply: &mut context.reply,
        number: Number::new(),
    };
    if count < 0 {
        return repeated(hash, wanted, now_ms, &mut random, &mut reply);
    }
    let fields = distinct(hash, wanted, now_ms, &mut random);
    reply.begin(fields.len());
    fields.into_iter().try_for_each(|field| reply.show(field))
}

/// Fields with or without their values.
struct FieldsReply<'r, 'w> {
    has_values: bool,
    start: usize,
    reply: &'r mut ReplyWriter<'w>,
    number: Number,
}

impl FieldsReply<'_, '_> {
    fn begin(&mut self, fields: usize) {
        let is_flat = self.has_values && self.reply.protocol() == Protocol::Resp2;
        self.reply.array(if is_flat { 2 * fields } else { fields });
    }

    fn show(&mut self, field: Field<'_>) -> Result<(), CommandError> {
        if self.has_values && self.reply.protocol() == Protocol::Resp3 {
            self.reply.array(2);
        }
        self.reply.bulk(field.name.bytes(&mut self.number));
        if self.has_values {
            self.reply.bulk(field.value.bytes(&mut self.number));
        }
        check_reply(self.reply, self.start, 0)
    }
}

/// So many fields, each as likely each time.
fn repeated(
    hash: Contents<'_, Hash>,
    wanted: usize,
    now_ms: u64,
    random: &mut Random,
    reply: &mut FieldsReply<'_, '_>,
) -> Result<(), CommandError> {
    reply.begin(wanted);
    let is_packed = hash.encoding() != Encoding::Hashtable;
    let all = if is_packed {
        all_of(hash, now_ms)
    } else {
        Vec::new()
    };
    for _ in 0..wanted {
        let field = if is_packed {
            Some(all[random.below(all.len())])
        } else {
            hash.random(random, now_ms)
        };
        if let Some(field) = field {
            reply.show(field)?;
        }
    }
    Ok(())
}

fn all_of<'h>(hash: Contents<'h, Hash>, now_ms: u64) -> Vec<Field<'h>> {
    let mut all = Vec::new();
    hash.for_each(now_ms, |field| {
        all.push(field);
        true
    });
    all
}

/// Up to so many fields by chance, none twice.
fn distinct<'h>(
    hash: Contents<'h, Hash>,
    count: usize,
    now_ms: u64,
    random: &mut Random,
) -> Vec<Field<'h>> {
    let len = hash.count(now_ms);
    if count >= len {
        return all_of(hash, now_ms);
    }
    // Few of many are drawn one by one; else each is taken with the chance that is left for it.
    if count < len / 3 && hash.encoding() == Encoding::Hashtable {
        let mut drawn = BTreeMap::new();
        while drawn.len() < count
            && let Some(field) = hash.random(random, now_ms)
        {
            drawn.insert(field.name.bytes(&mut Number::new()).to_vec(), field);
        }
        return drawn.into_values().collect();
    }
    let (mut left, mut wanted) = (len, count);
    let mut taken = Vec::with_capacity(count);
    hash.for_each(now_ms, |field| {
        if random.below(left) < wanted {
            taken.push(field);
            wanted -= 1;
        }
        left -= 1;
        wanted > 0
    });
    taken
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::testing::{TestServer, check, check_resp3};

    #[test]
    fn counts_are_checked() {
        check(
            "HRANDFIELD missing
             HRANDFIELD missing 3
             HRANDFIELD missing -3 WITHVALUES
             HSET h a 1
             HRANDFIELD h
             HRANDFIELD h 0
             HRANDFIELD h 5
             HRANDFIELD h -3
             HRANDFIELD h 2 WITHVALUES
             HRANDFIELD h -2 WITHVALUES
             HRANDFIELD h x
             HRANDFIELD h 1 VALUES
             HRANDFIELD h 1 WITHVALUES x
             HRANDFIELD h -9223372036854775808
             HRANDFIELD h 9223372036854775807 WITHVALUES",
            "nil
             []
             []
             :1
             a
             []
             [a]
             [a a a]
             [a 1]
             [a 1 a 1]
             -ERR value is not an integer or out of range
             -ERR syntax error
             -ERR syntax error
             -ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807
             -ERR value is out of range",
        );
        check_resp3(
            "HSET h a 1
             HRANDFIELD h 2 WITHVALUES
             HRANDFIELD h -2",
            ":1
             [[a 1]]
             [a a]",
        );
    }

    #[test]
    fn all_fields_are_drawn() {
        let mut server = TestServer::new();
        for (key, fields) in [("small", 20), ("large", 1_000)] {
            for at in 0..fields {
                server.run(&format!("HSET {key} {at} v"));
            }
            for count in [1, fields / 4, fields / 2, fields] {
                let mut seen = BTreeSet::new();
                let reply = server.run(&format!("HRANDFIELD {key} {count}"));
                let names = reply.trim_matches(['[', ']']).split(' ');
                assert!(names.clone().count() == count);
                seen.extend(names.map(str::to_owned));
                assert_eq!(seen.len(), count);
            }
            let reply = server.run(&format!("HRANDFIELD {key} -{}", 20 * fields));
            let seen: BTreeSet<&str> = reply.trim_matches(['[', ']']).split(' ').collect();
            assert_eq!(seen.len(), fields);
        }
    }
}
