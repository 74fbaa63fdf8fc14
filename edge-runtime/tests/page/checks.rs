//! What the operator's page checks: everything that the doctor does, and nothing that would disturb the run.

use std::collections::BTreeSet;
use std::fs;
use std::net::{SocketAddr, TcpListener};

use serde_json::Value;

use super::{reconfigure, visit};
use crate::daemon::world::World;
use crate::outlets::receiver;
use crate::outlets::serial::Board;
use crate::outlets::webhook::Server;
use crate::support::broker::{Broker, Memory};
use crate::support::chromium::Chromium;
use crate::support::http::get;
use crate::support::program::LINES;
use crate::support::until;

/// Size of the camera's frames.
const SIZE: [usize; 2] = [128, 96];

/// A camera program that notes each start, and sends ten grey frames a second.
fn camera(world: &World) -> String {
    let (program, frame) = (world.kiosk.path("rpicam-vid"), world.kiosk.path("frame.yuv"));
    fs::write(&frame, vec![128; SIZE[0] * SIZE[1] * 3 / 2]).unwrap();
    let script = format!(
        "echo \"$1\" >> '{}'\nif [ \"$1\" = --list-cameras ]; then echo '0 : imx219 [64x64]'; exit; fi\n\
         while cat '{}'; do sleep 0.1; done",
        world.kiosk.path("starts").display(),
        frame.display()
    );
    testing::write_script(&program, &script);
    format!(
        "uri = \"rpicam:{}\"\nwidth = {}\nheight = {}\nfps = 10",
        program.display(),
        SIZE[0],
        SIZE[1]
    )
}

/// A kiosk with everything that can be checked.
fn world(broker: &Broker, board: &Board, hook: &Server, osc: SocketAddr, udp: SocketAddr) -> World {
    let metrics = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let world = World::new(&format!(
        "[page]\nlisten = \"127.0.0.1:0\"\n[metrics]\nlisten = \"{metrics}\"\n[counts]\ndir = \"counts\"\n{LINES}\
         [sink.mqtt]\nhost = \"127.0.0.1\"\nport = {}\ndevice = \"hall\"\noutbox = {{ dir = \"outbox\" }}\n\
         [sink.osc]\ntarget = \"{osc}\"\n[sink.udp]\ntarget = \"{udp}\"\n[sink.serial]\ndevice = '{}'\nbaud = 9600\n\
         [sink.webhook]\nurl = \"http://{}/hook\"\nsecret_file = \"secret\"\ndir = \"hook\"\n",
        broker.port,
        board.device.display(),
        hook.address,
    ));
    fs::write(world.kiosk.path("secret"), "a secret of twenty-four bytes or more").unwrap();
    let camera = camera(&world);
    reconfigure(&world, "uri = \"frames\"\nloop = true", &camera);
    reconfigure(&world, "mode = \"whole\"", "detector_px = 160");
    world
}

fn checks(address: SocketAddr) -> Vec<Value> {
    get(address, "/api/snapshot").json()["checks"]
        .as_array()
        .unwrap()
        .clone()
}

fn names(findings: &[Value]) -> BTreeSet<String> {
    let names = findings
        .iter()
        .map(|finding| finding["check"].as_str().unwrap().to_owned());
    names.collect()
}

#[test]
fn the_page_checks_all_that_the_doctor_does_and_opens_nothing_that_the_run_holds() {
    let Some(broker) = Broker::start(Memory::None) else {
        return;
    };
    let Some(board) = Board::plugged_in() else {
        return;
    };
    let (hook, osc, udp) = (Server::start(&[]), receiver(), receiver());
    let world = world(
        &broker,
        &board,
        &hook,
        osc.local_addr().unwrap(),
        udp.local_addr().unwrap(),
    );
    let starts = world.kiosk.path("starts");
    visit(&world, |address| {
        let found = |name: &str| -> Option<String> {
            let checks = checks(address);
            let check = checks
                .iter()
                .find(|check| check["check"] == name && check["ok"] == true)?;
            Some(check["found"].as_str().unwrap().to_owned())
        };
        let says = |name: &str, text: &str| found(name).is_some_and(|found| found.contains(text));
        until("the run tells how it fares", || {
            says("camera", "frames a second")
                && !says("camera", "sends 0.0")
                && says("search", "a search for faces takes")
                && says("broker", "takes this device")
                && says("serial", "went out")
                && says("webhook outbox", "0 events wait, 0 made room")
        });
        assert!(says("metrics", "answers"), "{:?}", found("metrics"));
        // The camera was opened by the run, and by nobody else.
        assert_eq!(fs::read_to_string(&starts).unwrap(), "--codec\n");
        let shown = names(&checks(address));
        let output = world.kiosk.program("doctor").output().unwrap();
        let lines = String::from_utf8(output.stdout).unwrap();
        let doctor: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(shown, names(&doctor));
        assert!(shown.len() >= 25, "{shown:?}");
        let Some(mut window) = Chromium::open(390, 844) else {
            return;
        };
        window.go(&format!("http://{address}/operator"));
        window.until("document.querySelectorAll('#checks li').length >= 25");
        let listed =
            window.value("[...document.querySelectorAll('#checks li')].map(row => row.children[1].textContent)");
        let listed = listed
            .as_array()
            .unwrap()
            .iter()
            .map(|name| name.as_str().unwrap().to_owned());
        assert_eq!(listed.collect::<BTreeSet<String>>(), shown);
    });
}
