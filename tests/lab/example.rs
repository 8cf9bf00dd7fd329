//! `cargo run --example lab`: the tutorial, step by step.

#[path = "mod.rs"]
mod lab;

fn main() {
    #[cfg(target_os = "linux")]
    lab::netns::gain_rights().unwrap();
    let l = lab::Lab::start(lab::World::on_net(), lab::Mode::Namespaces).unwrap();
    let mut c = l.command(std::path::Path::new("bash")).unwrap();
    c.status().unwrap();
}
