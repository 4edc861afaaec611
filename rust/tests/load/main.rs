//! The load of `framecast bench` against servers that are well, ill, rude or gone. Every wait has a deadline.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod server;

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use _core::load::Run;
use _core::load::plan::Plan;
use serde_json::{Value, json};

use server::{Manners, Server, close_frame, text_frame};

/// A machine may be busy; nothing here takes a tenth of it on one that is not.
const PATIENCE: Duration = Duration::from_secs(120);

fn publishing(way: &str) -> Value {
    let path = if way == "push" { "/push" } else { "/ws" };
    json!({
        "way": way, "path": path, "names": ["c"], "token": null, "connections": 1, "bytes": 200, "first_seconds": 2.0
    })
}

fn plan(address: SocketAddr, work: &Value) -> Value {
    json!({
        "run": 7,
        "server": {"address": address, "host": "test", "headers": [], "pid": null},
        "audience": {
            "path": "/ws", "protocol": "json", "token": null, "subscribers": 3, "channels": ["c"], "threads": 2,
            "at_once": 2, "handshake_seconds": 30.0
        },
        "work": work, "warm_up_seconds": 0.1, "seconds": 0.5, "drain_seconds": 30.0
    })
}

fn latency(address: SocketAddr, way: &str) -> Value {
    plan(
        address,
        &json!({"latency": {"per_second": 40.0, "publishing": publishing(way)}}),
    )
}

fn begin(plan: &Value) -> Run {
    let plan = Plan::parse(plan.to_string().as_bytes()).unwrap_or_else(|error| panic!("{}", error.0));
    Run::begin(
        plan,
        vec![b"c x=1 1000000000000000000\nc x=2 1000000000000000000\n".to_vec()],
    )
    .unwrap()
}

fn findings(plan: &Value) -> Value {
    let found = begin(plan).wait(PATIENCE).expect("a report in time");
    serde_json::to_value(found.as_ref().as_ref().unwrap()).unwrap()
}

/// The only ending of a list: what, code, words, count.
fn only(endings: &Value) -> (&str, u64, &str, u64) {
    let [ending] = endings.as_array().unwrap().as_slice() else {
        panic!("not one ending: {endings}");
    };
    let number = |key: &str| ending[key].as_u64().unwrap();
    (
        ending["what"].as_str().unwrap(),
        number("code"),
        ending["words"].as_str().unwrap(),
        number("count"),
    )
}

#[test]
fn everything_arrives_from_a_server_that_is_well_however_it_is_published() {
    let server = Server::start(Manners::default());
    for way in ["command", "push"] {
        let found = findings(&latency(server.address, way));
        assert_eq!(found["problem"], Value::Null, "{way}");
        // One to begin with, and 0.6 s of 40 a second; of those 0.5 s count.
        assert_eq!(found["publications"]["sent"], 25, "{way}");
        assert_eq!(found["subscribers"]["deliveries"], 75, "{way}");
        assert_eq!(found["latencies"]["from_due"]["count"], 60, "{way}");
        for figure in ["gaps", "missing", "reordered", "duplicated"] {
            assert_eq!(found["subscribers"][figure], 0, "{way}: {figure}");
        }
        assert_eq!(found["busy"].as_array().unwrap().len(), 3, "{way}");
    }
}

#[test]
fn full_load_is_bounded_by_what_is_on_its_way() {
    let server = Server::start(Manners::default());
    let work = json!({"fanout": {"in_flight": 4, "publishing": publishing("command")}});
    let found = findings(&plan(server.address, &work));
    assert_eq!(found["problem"], Value::Null);
    let (sent, deliveries) = (
        &found["publications"]["sent"],
        &found["subscribers"]["deliveries"],
    );
    assert!(sent.as_u64().unwrap() > 4, "{sent}");
    assert_eq!(deliveries.as_u64().unwrap(), 3 * sent.as_u64().unwrap());
    assert_eq!(found["subscribers"]["missing"], 0);
}

#[test]
fn subscribers_that_cannot_be_are_counted_by_their_reasons() {
    let refused = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 9\r\n\r\nno token\n";
    let half = "HTTP/1.1 503 Busy\r\n\r\nlater";
    let error = r#"{"id":1,"error":{"code":109,"message":"token expired"}}"#;
    let denied = concat!(
        r#"{"id":1,"connect":{}}"#,
        "\n",
        r#"{"id":2,"error":{"code":103,"message":"denied"}}"#
    );
    let upgrade = |answer| Manners {
        upgrade: Some(answer),
        ..Manners::default()
    };
    let greeting = |frame| Manners {
        greeting: Some(frame),
        ..Manners::default()
    };
    for (manners, expected) in [
        (upgrade(refused), ("refused", 401, "no token", 3)),
        (upgrade(half), ("refused", 503, "later", 3)),
        (
            upgrade("SSH-2.0-x\r\n"),
            ("bad_answer", 0, "an answer that is not HTTP/1.1", 3),
        ),
        (
            upgrade("HTTP/1.1 101 OK\r\n\r\n"),
            ("bad_answer", 0, "101 without a WebSocket behind it", 3),
        ),
        (
            greeting(close_frame(3504, "connection limit")),
            ("closed", 3504, "connection limit", 3),
        ),
        (
            greeting(text_frame(error)),
            ("connect_refused", 109, "token expired", 3),
        ),
        (
            greeting(text_frame(denied)),
            ("subscribe_refused", 103, "denied", 3),
        ),
        (
            greeting(text_frame("<html>")),
            ("bad_answer", 0, "a message that is no Centrifuge protocol v2", 3),
        ),
        (
            greeting(b"\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff".to_vec()),
            ("bad_answer", 0, "a WebSocket message beyond the limit", 3),
        ),
    ] {
        let server = Server::start(manners);
        let found = findings(&latency(server.address, "command"));
        assert_eq!(found["problem"]["what"], "not_all_ready", "{expected:?}");
        assert_eq!(only(&found["problem"]["endings"]), expected);
        assert_eq!(only(&found["subscribers"]["failures"]), expected);
        assert_eq!(found["subscribers"]["ready"], 0);
    }
}

#[test]
fn a_server_that_is_not_there_or_does_not_speak_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    let found = findings(&latency(nobody, "command"));
    let (what, _, words, count) = only(&found["problem"]["endings"]);
    assert_eq!((what, count), ("cannot_connect", 3));
    assert!(words.contains("refused"), "{words}");

    let server = Server::start(Manners {
        silent: true,
        ..Manners::default()
    });
    let mut plan = latency(server.address, "command");
    plan["audience"]["handshake_seconds"] = json!(0.2);
    let found = findings(&plan);
    assert_eq!(only(&found["problem"]["endings"]).0, "timed_out");
}

#[test]
fn publications_that_are_refused_or_reach_nobody_end_the_run() {
    let server = Server::start(Manners {
        publish_error: Some(r#"{"code":103,"message":"permission denied"}"#),
        ..Manners::default()
    });
    let found = findings(&latency(server.address, "command"));
    assert_eq!(found["problem"]["what"], "refused");
    assert_eq!(
        only(&found["problem"]["endings"]),
        ("publish_refused", 103, "permission denied", 1)
    );

    let server = Server::start(Manners {
        answers: vec!["HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"],
        ..Manners::default()
    });
    let found = findings(&latency(server.address, "push"));
    assert_eq!(only(&found["problem"]["endings"]), ("refused", 404, "", 1));

    let server = Server::start(Manners {
        deaf: true,
        ..Manners::default()
    });
    let found = findings(&latency(server.address, "push"));
    assert_eq!(found["problem"]["what"], "nothing_heard");
}

#[test]
fn a_refusal_on_the_way_is_counted_and_the_run_goes_on() {
    let fine = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let full = "HTTP/1.1 429 Too Many Requests\r\nConnection: close\r\nContent-Length: 4\r\n\r\nslow";
    let server = Server::start(Manners {
        answers: vec![fine, fine, full, fine],
        ..Manners::default()
    });
    let found = findings(&latency(server.address, "push"));
    assert_eq!(found["problem"], Value::Null);
    assert_eq!(
        only(&found["publications"]["refused"]),
        ("refused", 429, "slow", 1)
    );
    assert_eq!(found["publications"]["reconnections"], 1);
    assert_eq!(
        (&found["subscribers"]["missing"], &found["subscribers"]["gaps"]),
        (&json!(3), &json!(3))
    );
}

#[test]
fn what_waited_for_a_stalled_server_is_late_from_when_it_was_due() {
    let server = Server::start(Manners {
        stall: Some((6, Duration::from_millis(400))),
        ..Manners::default()
    });
    let found = findings(&latency(server.address, "push"));
    assert_eq!(found["problem"], Value::Null);
    // At 40 a second about 16 were due while the server slept; one was on its way to it.
    assert!(
        found["publications"]["held_up"].as_u64().unwrap() >= 10,
        "{}",
        found["publications"]
    );
    let at = |view: &str, percentile: &str| found["latencies"][view][percentile].as_f64().unwrap();
    assert!(
        at("from_due", "p50_us") > 100_000.0,
        "{}",
        at("from_due", "p50_us")
    );
    assert!(at("from_due", "max_us") >= 390_000.0);
    assert!(at("from_sent", "p50_us") < at("from_due", "p50_us"));
}

#[test]
fn bodies_are_posted_and_their_answers_counted() {
    let fine = "HTTP/1.1 204 No Content\r\n\r\n";
    let closing = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
    let full = "HTTP/1.1 503 Full\r\nContent-Length: 0\r\n\r\n";
    let mut answers = vec![fine; 4];
    answers.extend([closing, full, full, fine]);
    let server = Server::start(Manners {
        answers,
        ..Manners::default()
    });
    let work = json!({"ingest": {
        "path": "/push", "headers": [["Content-Encoding", "identity"]], "connections": 2, "threads": 2, "lines": 2,
        "fresh_times": true
    }});
    let mut plan = plan(server.address, &work);
    plan["warm_up_seconds"] = json!(0.0);
    plan["seconds"] = json!(2.0);
    let found = findings(&plan);
    assert_eq!(found["problem"], Value::Null);
    let requests = found["ingest"]["requests"].as_u64().unwrap();
    assert!(requests >= 6, "{requests}");
    assert_eq!(found["ingest"]["lines"], 2 * requests);
    assert_eq!(found["ingest"]["bytes"], 52 * requests);
    assert_eq!(only(&found["ingest"]["refused"]), ("refused", 503, "", 2));
}

#[test]
fn a_body_that_is_refused_at_once_ends_the_run() {
    let server = Server::start(Manners {
        answers: vec!["HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"],
        ..Manners::default()
    });
    let work = json!({"ingest": {
        "path": "/push", "headers": [], "connections": 1, "threads": 1, "lines": 2, "fresh_times": false
    }});
    let found = findings(&plan(server.address, &work));
    assert_eq!(found["problem"]["what"], "refused");
    assert_eq!(only(&found["problem"]["endings"]), ("refused", 403, "no", 1));
}

#[test]
fn clients_connect_and_are_timed() {
    let server = Server::start(Manners::default());
    let found = findings(&plan(server.address, &json!({"connect": {"idle_seconds": 0.1}})));
    assert_eq!(found["problem"], Value::Null);
    assert_eq!(
        (&found["subscribers"]["ready"], &found["latencies"]),
        (&json!(3), &Value::Null)
    );
    assert_eq!(found["subscribers"]["readiness"]["count"], 3);
}

#[test]
fn a_run_that_is_stopped_reports_what_it_has() {
    let server = Server::start(Manners::default());
    let mut plan = latency(server.address, "command");
    plan["seconds"] = json!(3600.0);
    let run = begin(&plan);
    while run.progress().deliveries < 10 {
        assert!(run.wait(Duration::from_millis(5)).is_none());
    }
    run.stop();
    let found = run.wait(PATIENCE).expect("a report in time");
    let found = serde_json::to_value(found.as_ref().as_ref().unwrap()).unwrap();
    assert_eq!(found["problem"]["what"], "stopped");
    assert!(found["subscribers"]["deliveries"].as_u64().unwrap() >= 10);
}
