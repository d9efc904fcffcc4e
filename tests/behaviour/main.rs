//! The real binary against a real API server and a stateful Jira, a module per behaviour.
//!
//! One control plane is started for all tests; each test has its own namespace, Jira and instance id, and they run
//! side by side. Tests wait for what they expect, with a deadline; none sleeps.

mod adoption;
mod api;
mod connection;
mod crash;
mod deletion;
mod field_types;
mod fields;
mod groups;
mod ownership;
mod presets;
mod process;
mod records;
mod refusals;
mod sync;
mod templated_fields;
mod templates;
mod tickets;
mod world;

use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};

use world::{Plane, Test};

fn main() {
    let mut arguments = Arguments::from_args();
    // The tests wait most of the time; more of them fit side by side than there are cores.
    arguments.test_threads.get_or_insert(6);
    let tests: Vec<Test> = [
        adoption::tests(),
        api::tests(),
        connection::tests(),
        crash::tests(),
        deletion::tests(),
        process::tests(),
        field_types::tests(),
        fields::tests(),
        groups::tests(),
        ownership::tests(),
        presets::tests(),
        records::tests(),
        refusals::tests(),
        sync::tests(),
        templated_fields::tests(),
        templates::tests(),
        tickets::tests(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .expect("a runtime");
    let plane = Arc::new(std::sync::OnceLock::new());
    let trials = tests
        .into_iter()
        .map(|test| {
            let (plane, handle) = (Arc::clone(&plane), runtime.handle().clone());
            let soak = test.name.contains("soak");
            Trial::test(test.name, move || {
                let plane: &Arc<Plane> = plane.get_or_init(|| handle.block_on(Plane::start()));
                handle
                    .block_on((test.run)(Arc::clone(plane)))
                    .map_err(|error| error.to_string().into())
            })
            .with_ignored_flag(soak)
        })
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(plane);
    drop(runtime);
    conclusion.exit();
}
