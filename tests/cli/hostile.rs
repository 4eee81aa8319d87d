//! Texts that somebody else wrote, in every field of every file and in names: no verb prints a character that hides or moves
//! anything, nor a line that a CI runner obeys. The fields are those of the schemas, so that a new one is here by itself.

use std::fs;

use serde_json::{Map, Value, json};

use crate::project::{CommandOutput, Project};

/// As much of it as a file may be called.
fn name() -> String {
    "x\u{1b}[2J\r\n::error::PWN\n ::add-mask::a##[error]b##vso[c]##teamcity[d]\u{7f}\u{9b}31m\u{202e}\u{200b}\u{2028}|`f`<img src=x>@g"
        .to_owned()
}

/// The same, wrapped where a line is full.
fn hostile() -> String {
    name() + &" ::stop-commands::l".repeat(20)
}

fn is_hidden(c: char) -> bool {
    let is_hidden =
        c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    is_hidden && c != '\n'
}

#[track_caller]
fn assert_safe(said: &CommandOutput, what: &str) {
    for text in [&said.stdout, &said.stderr] {
        assert!(!text.contains(is_hidden), "{what}: {text:?}");
        for line in text.lines() {
            // What `--github` prints is karat's own.
            let own = ["::error file=", "::error title=", "::warning file=", "::warning title="];
            let line = own.iter().find_map(|own| line.strip_prefix(own)).unwrap_or(line);
            assert!(!line.trim_start().starts_with("::"), "{what}: {line}");
            assert!(["##[", "##vso[", "##teamcity["].iter().all(|mark| !line.contains(mark)), "{what}: {line}");
        }
    }
    assert!(!said.stderr.contains("panicked at"), "{what}: {}", said.stderr);
}

/// Has every verb tell of the project.
#[track_caller]
fn tell_all(project: &Project) {
    for arguments in [
        &["run", "--ci", "--github", "--json", "out/r.json", "--junit", "out/r.xml", "--html", "out/r.html"][..],
        &["run", "-v", "--chained", "--accuracy-only"],
        &["run"],
        &["list"],
        &["list", "--json"],
        &["doctor"],
        &["doctor", "--json"],
        &["matrix"],
        &["matrix", "--markdown"],
        &["matrix", "--json"],
        &["report", "out/r.json"],
        &["merge", "out/r.json"],
        &["diff", "goldens", "goldens"],
        &["accept"],
        &["run", "-q"],
    ] {
        assert_safe(&project.karat(arguments), &arguments.join(" "));
    }
    for file in ["out/r.json", "out/r.xml", "out/r.html"] {
        assert!(!project.read(file).contains(is_hidden), "{file}");
    }
    for id in fs::read_dir(project.path("goldens")).expect("a folder").map(|entry| entry.expect("an entry").file_name())
    {
        for verb in ["show", "explain"] {
            assert_safe(&project.karat([verb.as_ref(), id.as_os_str()]), verb);
        }
    }
}

/// The places of the fields that a schema describes; `*` is any name.
fn fields(schema: &Value, node: &Value, at: &[String], found: &mut Vec<Vec<String>>) {
    if at.len() > 5 {
        return;
    }
    if let Some(name) = node["$ref"].as_str() {
        let pointer = name.trim_start_matches('#');
        return fields(schema, schema.pointer(pointer).expect("a definition"), at, found);
    }
    for kind in ["anyOf", "oneOf", "allOf"] {
        node[kind].as_array().into_iter().flatten().for_each(|node| fields(schema, node, at, found));
    }
    let properties = node["properties"].as_object().into_iter().flatten().map(|(name, node)| (name.as_str(), node));
    let others = Some(("*", &node["additionalProperties"])).filter(|(_, node)| node.is_object());
    for (name, node) in properties.chain(others) {
        let below = [at, &[name.to_owned()]].concat();
        if !found.contains(&below) {
            found.push(below.clone());
            fields(schema, node, &below, found);
        }
    }
}

fn described(project: &Project, file: &str) -> Vec<Vec<String>> {
    let schema = project.karat(["schema", file]).exits(0).json();
    let mut found = Vec::new();
    fields(&schema, &schema, &[], &mut found);
    assert!(found.len() > 5, "{found:?}");
    found
}

/// The document with a hostile text at that place, as a value or as a name beside it.
fn changed(mut document: Value, place: &[String], is_name: bool) -> Value {
    let (last, above) = place.split_last().expect("a field has a name");
    let mut at = &mut document;
    for name in above {
        if !at.is_object() {
            *at = json!({});
        }
        let fields = at.as_object_mut().expect("an object");
        let any = fields.keys().next().cloned().unwrap_or_else(|| "y".to_owned());
        at = fields.entry(if name == "*" { any } else { name.clone() }).or_insert_with(|| json!({}));
    }
    if !at.is_object() {
        *at = Value::Object(Map::new());
    }
    let any = at.as_object().and_then(|fields| fields.keys().next().cloned()).unwrap_or_else(|| "y".to_owned());
    let value = at.get(last).cloned().unwrap_or_else(|| "y.npy".into());
    match (is_name, last == "*") {
        (true, _) => at[hostile()] = value,
        (false, true) => at[any] = hostile().into(),
        (false, false) => at[last] = hostile().into(),
    }
    document
}

#[test]
fn no_field_of_a_case_reaches_a_reader_or_a_runner_raw() {
    let project = Project::good();
    for (at, place) in described(&project, "case").into_iter().enumerate() {
        for is_name in [false, true] {
            project.case(&format!("c{at}-{is_name}"), |case| *case = changed(case.clone(), &place, is_name));
        }
    }
    tell_all(&project);
}

#[test]
fn no_field_of_a_suite_reaches_a_reader_or_a_runner_raw() {
    let project = Project::good();
    for (at, place) in described(&project, "suite").into_iter().enumerate() {
        for is_name in [false, true] {
            let suite = changed(json!({ "karat": 1 }), &place, is_name);
            project.write(&format!("goldens/s{at}-{is_name}/suite.json"), suite.to_string());
            project.case(&format!("s{at}-{is_name}/c"), |_| {});
        }
    }
    tell_all(&project);
}

#[test]
fn no_line_of_a_snapshot_reaches_a_reader_or_a_runner_raw() {
    let project = Project::good();
    let snapshot = project.read("snapshots/good/y.snap");
    let lines: Vec<&str> = snapshot.lines().collect();
    for at in 0..lines.len() {
        for (way, line) in
            [format!("{}: {}", name(), at), format!("{}: {}", lines[at].split(": ").next().unwrap_or(""), name())]
                .into_iter()
                .enumerate()
        {
            let mut changed: Vec<&str> = lines.clone();
            let line = line.replace('\n', "\u{85}");
            changed[at] = &line;
            project.case(&format!("l{at}-{way}"), |_| {});
            project.write(&format!("snapshots/l{at}-{way}/y.snap"), changed.join("\n") + "\n");
        }
    }
    tell_all(&project);
}

#[cfg(target_os = "linux")]
#[test]
fn no_name_of_a_file_or_member_reaches_a_reader_or_a_runner_raw() {
    let project = Project::good();
    let header = json!({
        name(): { "dtype": "F32", "shape": [1], "data_offsets": [0, 4] },
        "b": { "dtype": "F32", "shape": [1], "data_offsets": [4, 8] },
    });
    let header = header.to_string();
    let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 8]].concat();
    project.write("members.safetensors", &bytes);
    project.write(&format!("goldens/{}/case.json", name()), "{}");
    project.write(&format!("goldens/::error::PWN/{}.npy", name()), "no tensor");
    project.write("goldens/::error::PWN/case.json", "{}");
    project.write(&format!("snapshots/good/{}.snap", name()), "---\nsource: goldens/good/case.json\n---\nkarat: 1\n");
    project.write(&format!("snapshots/{}/y.snap", name()), "---\nsource: goldens/good/case.json\n---\nkarat: 1\n");
    tell_all(&project);
    for arguments in [
        &["show", "members.safetensors"][..],
        &["show", "members.safetensors#c"],
        &["show", "--json", "members.safetensors"],
        &["diff", "members.safetensors", "members.safetensors"],
        &["diff", "members.safetensors", "goldens/good/y.npy"],
        &["add", "new", "--checkpoint", "layer_norm", "--output", "y=members.safetensors"],
    ] {
        assert_safe(&project.karat(arguments), &arguments.join(" "));
    }
}

#[test]
fn a_name_longer_than_a_line_can_be_padded_is_shortened() {
    let project = Project::good();
    let header = |header: Value, bytes: usize| {
        let header = header.to_string();
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![0; bytes]].concat()
    };
    let tensor =
        |shape: Value, from: usize| json!({ "dtype": "F32", "shape": shape, "data_offsets": [from, from + 4] });
    project.write("dims.safetensors", header(json!({ "y": tensor(json!(vec![1; 22_000]), 0) }), 4));
    let long = "n".repeat(66_000);
    project.write("name.safetensors", header(json!({ &long: tensor(json!([1]), 0), "b": tensor(json!([1]), 4) }), 8));
    project.case("params", |case| case["params"]["p".repeat(70_000)] = 1.into());
    project.case("checkpoint", |case| case["checkpoint"] = "c".repeat(70_000).into());
    for arguments in [
        &["diff", "dims.safetensors", "dims.safetensors"][..],
        &["show", "name.safetensors"],
        &["diff", "name.safetensors", "name.safetensors"],
        &["matrix", "--by", "checkpoint"],
        &["list"],
        &["run"],
    ] {
        let said = project.karat(arguments);
        assert!([0, 1].contains(&said.code), "{arguments:?}: {}", said.stderr);
        assert!(said.stdout.lines().all(|line| line.len() < 9000), "{arguments:?}");
    }
    project.karat(["show", "name.safetensors"]).exits(0).says("…65,860 more…");
    project.karat(["show", "params"]).exits(2).says("it is 70000 bytes long; the limit is 200");
}
