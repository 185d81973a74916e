//! Searching, as a whole. What is expected is what redis-server 7.0 answers; polygons are compared with Valkey in the
//! cases of the integration tests.

use crate::testing::{TestServer, check, check_resp3};

#[test]
fn members_are_found_around_a_position() {
    check(
        "GEOADD sicily 13.361389 38.115556 Palermo 15.087269 37.502669 Catania 12.758489 38.788135 edge1 17.241510 38.788135 edge2
         GEOSEARCH sicily FROMLONLAT 15 37 BYRADIUS 200 km
         GEOSEARCH sicily FROMLONLAT 15 37 BYRADIUS 200 km DESC
         GEOSEARCH sicily FROMLONLAT 15 37 BYBOX 400 400 km ASC WITHCOORD WITHDIST WITHHASH
         GEOSEARCH sicily BYBOX 400 400 km FROMMEMBER Catania COUNT 2
         GEOSEARCH sicily FROMMEMBER Catania BYRADIUS 5000 mi COUNT 1 DESC WITHDIST
         GEOSEARCH sicily FROMMEMBER Catania BYRADIUS 5000 mi COUNT 2 ANY
         GEOSEARCH sicily FROMMEMBER Catania BYRADIUS 0 ft
         GEOSEARCH sicily FROMLONLAT -100 -50 BYRADIUS 10 m
         GEOSEARCH missing FROMMEMBER x BYRADIUS 1 m
         GEORADIUS sicily 15 37 200 KM WITHDIST ASC
         GEORADIUS_RO sicily 15 37 200 km COUNT 1
         GEORADIUSBYMEMBER sicily Palermo 200 km WITHHASH DESC
         GEORADIUSBYMEMBER_RO sicily Palermo 100 mi
         GEORADIUSBYMEMBER missing x y z",
        ":4
         [Palermo Catania]
         [Palermo Catania]
         [[Catania 56.4413 :3479447370796909 [15.08726745843887329 37.50266842333162032]] [Palermo 190.4424 :3479099956230698 [13.36138933897018433 38.11555639549629859]] [edge2 279.7403 :3481342659049484 [17.24151045083999634 38.78813451624225195]] [edge1 279.7405 :3479273021651468 [12.7584877610206604 38.78813451624225195]]]
         [Catania Palermo]
         [[edge1 154.6354]]
         [Palermo edge1]
         [Catania]
         []
         []
         [[Catania 56.4413] [Palermo 190.4424]]
         [Catania]
         [[Catania :3479447370796909] [edge1 :3479273021651468] [Palermo :3479099956230698]]
         [Palermo edge1]
         []",
    );
}

#[test]
fn what_is_found_is_stored() {
    check(
        "GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania 2 2 far
         GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 200 km
         ZRANGE d 0 -1 WITHSCORES
         GEOSEARCHSTORE d g FROMMEMBER Palermo BYRADIUS 200 km COUNT 1
         ZRANGE d 0 -1
         GEORADIUS g 15 37 200 km STORE d STOREDIST e STORE f
         EXISTS d e f
         ZRANGE f 0 -1
         GEORADIUSBYMEMBER g Catania 200 km STORE STORE
         ZRANGE STORE 0 -1
         GEOSEARCHSTORE d missing FROMMEMBER x BYRADIUS 1 m
         EXISTS d
         GEORADIUS g 100 50 1 m STOREDIST f
         EXISTS f
         SET s v
         EXPIRE s 100
         GEORADIUS g 15 37 200 km COUNT 1 DESC STORE s
         TTL s
         GEOSEARCHSTORE g g FROMMEMBER Palermo BYRADIUS 1 m
         ZRANGE g 0 -1
         GEOADD g 13.3 38.1 a 13.3 38.1 b
         GEORADIUS g 13.361389 38.115556 10 km STOREDIST g
         ZRANGE g 0 -1",
        ":3
         :2
         [Palermo 3479099956230698 Catania 3479447370796909]
         :1
         [Palermo]
         :2
         :2
         [Palermo Catania]
         :2
         [Palermo Catania]
         :0
         :0
         :0
         :0
         OK
         :1
         :1
         :-1
         :1
         [Palermo]
         :2
         :3
         [Palermo a b]",
    );
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    check(
        "GEOADD g 1 1 a
         SET s v
         GEOSEARCH s FROMLONLAT x y BYRADIUS 1 m
         GEOSEARCH g FROMMEMBER b BYRADIUS 1 m
         GEOSEARCH g FROMLONLAT 1 91 BYRADIUS 1 m
         GEOSEARCH g FROMLONLAT 1 1 BYRADIUS x m
         GEOSEARCH g FROMLONLAT 1 1 BYRADIUS -1 m
         GEOSEARCH g FROMLONLAT 1 1 BYRADIUS 1 yd
         GEOSEARCH g FROMLONLAT 1 1 BYBOX x 1 m
         GEOSEARCH g FROMLONLAT 1 1 BYBOX 1 x m
         GEOSEARCH g FROMLONLAT 1 1 BYBOX -1 1 m
         GEOSEARCH g FROMLONLAT 1 1 FROMMEMBER a BYRADIUS 1 m
         GEOSEARCH g FROMLONLAT 1 1 BYRADIUS 1 m BYBOX 1 1 m
         GEOSEARCH g BYRADIUS 1 m ASC ASC ASC
         GeoSearch g FROMLONLAT 1 1 ASC ASC
         GEOSEARCHSTORE d g BYRADIUS 1 m ASC ASC
         GEOSEARCH g FROMLONLAT 1 1 BYRADIUS 1 m COUNT 0
         GEOSEARCH g FROMLONLAT 1 1 BYRADIUS 1 m COUNT x
         GEOSEARCH g FROMLONLAT 1 1 BYRADIUS 1 m COUNT
         GEOSEARCH g FROMLONLAT 1 1 BYRADIUS 1 m ANY
         GEOSEARCH g FROMLONLAT 1 1 BYRADIUS 1 m STORE d
         GEOSEARCH g FROMLONLAT 1 1 BYRADIUS 1 m STOREDIST
         GEOSEARCHSTORE d g FROMLONLAT 1 1 BYRADIUS 1 m WITHDIST
         GEORADIUS g 1 1 1 m WITHCOORD STORE d
         GEORADIUS g 1 1 1 m STORE
         GEORADIUS_RO g 1 1 1 m STORE d
         GEORADIUSBYMEMBER g b 1 m
         GEORADIUSBYMEMBER missing b x yd STORE
         GEORADIUS missing 1 1 x m
         GEORADIUS s 1 1 1 m
         GEOSEARCHSTORE s g FROMMEMBER b BYRADIUS 1 m
         GET s",
        ":1
         OK
         -WRONGTYPE Operation against a key holding the wrong kind of value
         -ERR could not decode requested zset member
         -ERR invalid longitude,latitude pair 1.000000,91.000000
         -ERR need numeric radius
         -ERR radius cannot be negative
         -ERR unsupported unit provided. please use M, KM, FT, MI
         -ERR need numeric width
         -ERR need numeric height
         -ERR height or width cannot be negative
         -ERR syntax error
         -ERR syntax error
         -ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for GEOSEARCH
         -ERR exactly one of BYRADIUS and BYBOX can be specified for GeoSearch
         -ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for GEOSEARCHSTORE
         -ERR COUNT must be > 0
         -ERR value is not an integer or out of range
         -ERR syntax error
         -ERR the ANY argument requires COUNT argument
         -ERR syntax error
         -ERR syntax error
         -ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options
         -ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options
         -ERR syntax error
         -ERR syntax error
         -ERR could not decode requested zset member
         -ERR syntax error
         -ERR need numeric radius
         -WRONGTYPE Operation against a key holding the wrong kind of value
         -ERR could not decode requested zset member
         v",
    );
}

#[test]
fn positions_are_numbers_in_resp3() {
    check_resp3(
        "GEOADD g 15.087269 37.502669 a
         GEOSEARCH g FROMMEMBER a BYRADIUS 1 m WITHCOORD WITHDIST WITHHASH
         GEOSEARCH g FROMLONLAT 1 1 BYRADIUS 1 m WITHDIST
         GEORADIUSBYMEMBER_RO g a 1 m",
        ":1
         [[a 0.0000 :3479447370796909 [,15.08726745843887329 ,37.50266842333162032]]]
         []
         [a]",
    );
}

/// What lies behind the date line is found in some of these only, as in redis-server.
#[test]
fn the_edges_of_the_world_are_those_of_redis() {
    check(
        "GEOADD w 180 85.05112878 ne -180 -85.05112878 sw 180 -85.05112878 se -180 85.05112878 nw 179.9 0 east -179.9 0 west 0 0 middle
         GEOPOS w ne sw
         GEOHASH w ne sw se nw
         GEODIST w ne sw
         GEODIST w east west km
         GEOSEARCH w FROMLONLAT 180 0 BYRADIUS 50 km ASC
         GEOSEARCH w FROMLONLAT -180 0 BYBOX 100 100 km ASC
         GEOSEARCH w FROMLONLAT 180 85.05112878 BYRADIUS 100 km
         GEOSEARCH w FROMLONLAT 0 85 BYRADIUS 3000 km
         GEOSEARCH w FROMLONLAT 1 1 BYRADIUS inf m
         GEOSEARCH w FROMLONLAT -1 -1 BYRADIUS 1e300 mi COUNT 3 ANY
         GEOSEARCH w FROMLONLAT 0 85.05112878 BYRADIUS 20000 km",
        ":7
         [[180 85.0511287799999991] [-179.99999731779098511 -85.05112751263942528]]
         [bp05b5048p0 00bh0hbj200 00bh0hbj200 bp05b5048p0]
         18919844.5891
         22.2454
         [east]
         [east west]
         [ne]
         []
         [middle east west sw]
         [sw west middle]
         [middle east nw west]",
    );
}

#[test]
fn polygons_are_searched() {
    check(
        "GEOADD g 2 1 a 6 4 b 9 8 c 5 1 d
         GEOSEARCH g BYPOLYGON 4 0 0 7 0 7 6 0 6 ASC
         GEOSEARCH g COUNT 1 DESC BYPOLYGON 3 0 0 10 0 10 10 WITHDIST
         GEOSEARCHSTORE s g BYPOLYGON 3 4 3 10 3 10 10 STOREDIST
         ZRANGE s 0 -1
         GEOSEARCH missing BYPOLYGON 3 0 0 1 1 2 2
         GEOSEARCH g BYPOLYGON 3 0 0 1 1 2 x
         GEOSEARCH g BYPOLYGON 3 0 0 1 1 2 90
         GEOSEARCH g BYPOLYGON 3 0 0 1 1 2
         GEOSEARCH g BYPOLYGON 2 0 0 1 1
         GEOSEARCH g BYPOLYGON x 0 0 1 1
         GEOSEARCH g BYPOLYGON 3 0 0 1 1 2 2 FROMMEMBER a
         GEOSEARCH g FROMLONLAT 1 1 BYPOLYGON 3 0 0 1 1 2 2
         GEOSEARCH g BYPOLYGON 3 0 0 1 1 2 2 BYBOX 1 1 m
         GEOSEARCH g BYRADIUS 1 m BYPOLYGON 3 0 0 1 1 2 2
         GEORADIUS g 1 1 1 m BYPOLYGON 3 0 0 1 1 2 2",
        ":4
         [a d b]
         [[c 579626.8754]]
         :2
         [b c]
         []
         -ERR value is not a valid float
         -ERR invalid longitude,latitude pair 2.000000,90.000000
         -ERR GEOSEARCH BYPOLYGON must have at least 3 vertices
         -ERR GEOSEARCH BYPOLYGON must have at least 3 vertices
         -ERR invalid number of vertices
         -ERR syntax error
         -ERR syntax error
         -ERR syntax error
         -ERR syntax error
         -ERR syntax error",
    );
}

/// Keys behind options are found where they are, whatever the options are.
#[test]
fn keys_behind_options_are_found() {
    check(
        "COMMAND GETKEYS GEORADIUS k 1 1 1 km
         COMMAND GETKEYSANDFLAGS GEORADIUS k 1 1 1 km COUNT 1 sToRe d ASC
         COMMAND GETKEYSANDFLAGS GEORADIUSBYMEMBER k m 1 km STOREDIST d
         COMMAND GETKEYS GEORADIUS k 1 1 1 km STORE d STOREDIST e
         COMMAND GETKEYS GEORADIUS k 1 1 1 km STORE d STORE e
         COMMAND GETKEYS GEORADIUS k 1 1 1 km STORE STOREDIST
         COMMAND GETKEYS GEORADIUS k 1 1 1 km STORE STOREDIST STOREDIST e
         COMMAND GETKEYS GEORADIUS k 1 1 1 km STORE
         COMMAND GETKEYS GEORADIUS k STORE d 1 km
         COMMAND GETKEYS GEORADIUS_RO k 1 1 1 km STORE d",
        "[k]
         [[k [RO access]] [d [OW update]]]
         [[k [RO access]] [d [OW update]]]
         [k d e]
         [k e]
         [k STOREDIST]
         [k STOREDIST e]
         [k]
         [k]
         [k]",
    );
}

/// Every way to name a destination: it is locked, and users may have to have permission for it.
#[test]
fn destinations_are_locked_and_guarded() {
    let mut server = TestServer::new();
    server.run("GEOADD k 1 1 a");
    let options = ["STORE", "STOREDIST", "d", "ASC", "COUNT", "1"];
    for number in 0..6_usize.pow(4) {
        let chosen = (0..4).map(|digit| options[number / 6_usize.pow(digit) % 6]);
        let chosen = chosen.collect::<Vec<_>>().join(" ");
        server.run(&format!(
            "GEORADIUS k 1 1 1 km {chosen}\nGEORADIUSBYMEMBER k a 1 km {chosen}"
        ));
    }
    check(
        "GEOADD k 1 1 a
         ACL SETUSER u on nopass %R~k ~mine +@all
         b> AUTH u x
         b> GEORADIUS k 1 1 1 km
         b> GEORADIUS k 1 1 1 km STORE mine
         b> GEORADIUS k 1 1 1 km STORE other
         b> GEORADIUS k 1 1 1 km STOREDIST k
         b> GEORADIUS k 1 1 1 km STORE mine STORE other
         b> GEOSEARCHSTORE k k FROMMEMBER a BYRADIUS 1 m",
        ":1
         OK
         OK
         [a]
         :1
         -NOPERM this user has no permissions to access one of the keys used as arguments
         -NOPERM this user has no permissions to access one of the keys used as arguments
         -NOPERM this user has no permissions to access one of the keys used as arguments
         -NOPERM this user has no permissions to access one of the keys used as arguments",
    );
}
