//! `docker/`: read by parsers, and held against one another and against the agent. No container is
//! started here; `make test-containers` does that, if podman can be had.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use cu_agent::{
    cli::command_line,
    config::{self, Config, SourceKind},
};
use parse_dockerfile::{Command, HealthcheckArguments, Instruction, JsonOrStringArray, Source};
use serde::Deserialize;

const FOLDER: &str = "docker";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(FOLDER).join(name)).unwrap()
}

/// What of a Compose file is used here; any other key of a service is refused, so that a mistyped
/// one cannot pass.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Compose {
    #[serde(rename = "name")]
    _name: String,
    services: BTreeMap<String, Service>,
    volumes: BTreeMap<String, Option<()>>,
    secrets: BTreeMap<String, SecretFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Service {
    build: Option<Build>,
    image: String,
    restart: String,
    user: Option<String>,
    #[serde(default)]
    read_only: bool,
    #[serde(default)]
    cap_drop: Vec<String>,
    #[serde(default)]
    security_opt: Vec<String>,
    mem_limit: Option<String>,
    pids_limit: Option<u32>,
    stop_grace_period: Option<String>,
    volumes: Vec<String>,
    secrets: Vec<String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    healthcheck: Option<Healthcheck>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Build {
    context: String,
    dockerfile: String,
    args: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Healthcheck {
    test: Vec<String>,
    #[serde(rename = "interval")]
    _interval: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretFile {
    file: String,
}

fn compose() -> Compose {
    serde_saphyr::from_str(&read("compose.yaml")).unwrap_or_else(|e| panic!("compose.yaml: {e}"))
}

/// What the image is, after all lines of the Dockerfile.
#[derive(Default)]
struct Image {
    from: String,
    arguments: BTreeMap<String, String>,
    /// Source and place.
    copied: Vec<(String, String)>,
    user: String,
    environment: String,
    working_directory: String,
    volumes: Vec<String>,
    health: Vec<String>,
    entry: Vec<String>,
    command: Vec<String>,
}

fn image() -> Image {
    let text = read("Dockerfile");
    let file = parse_dockerfile::parse(&text).unwrap_or_else(|e| panic!("Dockerfile: {e}"));
    assert_eq!(file.stages().len(), 1, "one stage: nothing is built in the image");
    let mut image = Image::default();
    for instruction in &file.instructions {
        match instruction {
            Instruction::From(from) => image.from = from.image.value.to_string(),
            Instruction::Arg(argument) => {
                let (name, value) = argument.arguments.value.split_once('=').unwrap();
                image.arguments.insert(name.into(), value.into());
            }
            Instruction::Copy(copy) => {
                let [Source::Path(source)] = copy.src.as_slice() else { panic!("one source") };
                image.copied.push((source.value.to_string(), copy.dest.value.to_string()));
            }
            Instruction::User(user) => image.user = user.arguments.value.to_string(),
            Instruction::Env(variable) => image.environment = variable.arguments.value.to_string(),
            Instruction::Workdir(directory) => {
                image.working_directory = directory.arguments.value.to_string();
            }
            Instruction::Volume(volume) => {
                let JsonOrStringArray::Json(list) = &volume.arguments else { panic!("a list") };
                image.volumes = list.value.iter().map(|path| path.value.to_string()).collect();
            }
            Instruction::Healthcheck(check) => {
                let HealthcheckArguments::Cmd { arguments, .. } = &check.arguments else {
                    panic!("the image has a health check");
                };
                image.health = words(arguments);
            }
            Instruction::Entrypoint(entry) => image.entry = words(&entry.arguments),
            Instruction::Cmd(command) => image.command = words(&command.arguments),
            Instruction::Stopsignal(signal) => assert_eq!(signal.arguments.value, "SIGTERM"),
            other => panic!("an empty image has no shell and no use for {other:?}"),
        }
    }
    image
}

/// Of a command that is no shell's: there is none in the image.
fn words(command: &Command<'_>) -> Vec<String> {
    let Command::Exec(words) = command else { panic!("{command:?} needs a shell") };
    words.value.iter().map(|word| word.value.to_string()).collect()
}

/// The agent takes this command line.
#[track_caller]
fn is_a_command(program: &str, words: &[String]) {
    assert_eq!(words.first().map(String::as_str), Some(program));
    if let Err(error) = command_line().try_get_matches_from(words) {
        panic!("{words:?}: {error}");
    }
}

/// `docker/config.toml` as the agent of compose.yaml reads it.
fn configuration(compose: &Compose) -> Config {
    let secrets = tempfile::tempdir().unwrap();
    for secret in &compose.services["agent"].secrets {
        fs::write(secrets.path().join(secret), "secret\n").unwrap();
    }
    let directory = secrets.path().to_str().unwrap().to_owned();
    let environment = |name: &str| (name == "CREDENTIALS_DIRECTORY").then(|| directory.clone());
    let loaded = config::parse(Path::new("docker/config.toml"), &read("config.toml"), &environment)
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(loaded.warnings, Vec::<String>::new());
    loaded.config
}

#[test]
fn the_image_is_empty_but_for_the_program_and_runs_it_unprivileged() {
    let image = image();
    assert_eq!(image.from, "scratch");
    let [(program, place), (state, state_place)] = image.copied.as_slice() else {
        panic!("{:?}", image.copied)
    };
    // Every target of cross/build.sh can be asked for, and the default is one of them.
    let build = fs::read_to_string(root().join("cross/build.sh")).unwrap();
    assert_eq!(program, "target/cross/${TARGET}/cu-agent");
    assert!(build.contains(&format!("[{}]=", image.arguments["TARGET"])));
    assert!(root().join(state).is_dir(), "{state}");
    assert_eq!(state_place.trim_end_matches('/'), image.working_directory);
    assert_eq!(image.volumes, [image.working_directory.as_str()]);

    let user: Vec<u32> = image.user.split(':').map(|id| id.parse().unwrap()).collect();
    assert!(user.len() == 2 && user.iter().all(|id| *id > 0), "{}", image.user);
    let text = read("Dockerfile");
    assert!(text.contains(&format!("COPY --chown={} {state}", image.user)), "its state is its own");

    is_a_command(place, &image.health);
    assert_eq!(image.health[1..], ["health"]);
    is_a_command(place, &[image.entry.clone(), image.command.clone()].concat());
    assert_eq!(image.command, ["run"]);
}

/// Built by `make test-containers` in no container here: no registry can be reached. What it ends with is
/// the other image's, and cargo gets what it needs.
#[test]
fn the_image_built_from_source_is_the_same_and_is_given_the_whole_source_and_no_secret() {
    let (plain, source) = (read("Dockerfile"), read("Dockerfile.source"));
    parse_dockerfile::parse(&source).unwrap_or_else(|e| panic!("Dockerfile.source: {e}"));
    let instructions = |text: &str, from: &str| -> Vec<String> {
        let (_, behind) = text.split_once(from).unwrap();
        let lines = behind.lines().map(str::trim);
        lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
    };
    let own_state = "COPY --chown";
    assert_eq!(instructions(&source, own_state), instructions(&plain, own_state));
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let rust = manifest.lines().find_map(|line| line.strip_prefix("rust-version = "));
    let image = format!("FROM rust:{}-alpine", rust.unwrap().trim_matches('"'));
    assert!(source.contains(&image), "{image}");
    let ignored = read("Dockerfile.source.dockerignore");
    let named: Vec<&str> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    for needed in ["Cargo.toml", "Cargo.lock", "src", "migrations", "benches", "tests"] {
        assert!(named.contains(&needed), "{needed}");
    }
    assert!(named.iter().all(|name| root().join(name).exists() && *name != "docker"));
}

#[test]
fn the_build_context_holds_what_the_image_copies_and_no_secret() {
    let ignored = read("Dockerfile.dockerignore");
    let mut lines = ignored.lines().filter(|line| !line.starts_with('#'));
    assert_eq!(lines.next(), Some("*"), "nothing but what is named");
    let named: Vec<&str> = lines.map(|line| line.strip_prefix('!').unwrap()).collect();
    assert_eq!(named, ["target/cross/*/cu-agent", "docker/state"]);
    for (source, _) in image().copied {
        let source = source.replace("${TARGET}", "*");
        assert!(named.contains(&source.trim_end_matches('/')), "{source}");
    }
}

#[test]
fn the_services_of_compose_fit_the_image_the_configuration_and_each_other() {
    let compose = compose();
    let image = image();
    let agent = &compose.services["agent"];
    let folder = root().join(FOLDER);

    let build = agent.build.as_ref().unwrap();
    let context = folder.join(&build.context).canonicalize().unwrap();
    assert_eq!(context, root().canonicalize().unwrap());
    assert_eq!(context.join(&build.dockerfile), root().join("docker/Dockerfile"));
    for name in build.args.keys() {
        assert!(image.arguments.contains_key(name), "the image has no argument {name}");
    }
    assert_eq!(agent.image, "${CU_AGENT_IMAGE:-cu-agent}");
    assert_eq!(agent.restart, "unless-stopped");
    assert_eq!(agent.user.as_deref(), Some(image.user.as_str()));
    assert!(agent.read_only);
    assert_eq!(agent.cap_drop, ["ALL"]);
    assert_eq!(agent.security_opt, ["no-new-privileges:true"]);
    assert!(agent.mem_limit.is_some() && agent.pids_limit.is_some());
    assert_eq!(agent.stop_grace_period.as_deref(), Some("15s"));

    let config = configuration(&compose);
    // Place in the container, and what is there.
    let mounted: BTreeMap<&str, &str> = agent
        .volumes
        .iter()
        .map(|volume| {
            let (what, place) = volume.split_once(':').unwrap();
            (place.strip_suffix(":ro").unwrap_or(place), what)
        })
        .collect();
    let state_dir = config.agent.state_dir.to_str().unwrap();
    assert_eq!(mounted[state_dir], "state");
    assert!(compose.volumes.contains_key("state"));
    assert_eq!(image.volumes, [state_dir]);
    let default = command_line();
    let default = default.get_arguments().find(|argument| argument.get_id() == "config").unwrap();
    let default = default.get_default_values()[0].to_str().unwrap();
    assert!(folder.join(mounted[default]).is_file(), "{default}");
}

#[test]
fn the_two_containers_know_each_other_and_take_passwords_from_files_only() {
    let compose = compose();
    let config = configuration(&compose);
    let central = config.central.as_ref().unwrap();
    let server = &compose.services[&central.host.to_string()];
    assert_eq!(server.environment["POSTGRES_DB"], central.database);
    assert_eq!(server.environment["POSTGRES_USER"], central.user);
    assert!(server.image.starts_with("postgres:"));
    let check = &server.healthcheck.as_ref().unwrap().test;
    assert!(check.contains(&format!("--dbname={}", central.database)), "{check:?}");
    assert!(matches!(config.sources[0].kind, SourceKind::Ftp(_)));

    // Where Compose puts secrets is where the agent looks for credentials, under these names.
    assert_eq!(image().environment, "CREDENTIALS_DIRECTORY=/run/secrets");
    let loading = ["load.rs", "ftp.rs", "sftp.rs"]
        .map(|file| fs::read_to_string(root().join("src/config").join(file)).unwrap());
    let loading = loading.concat();
    for secret in &compose.services["agent"].secrets {
        assert!(loading.contains(&format!("\"{secret}\"")), "{secret}");
    }
    let file = server.environment["POSTGRES_PASSWORD_FILE"].strip_prefix("/run/secrets/").unwrap();
    assert!(server.secrets.iter().any(|secret| secret == file));

    // The files are an installation's own: told of above, kept out of the repository.
    let text = read("compose.yaml");
    assert_eq!(read(".gitignore").lines().last(), Some("/secrets/"));
    for secret in compose.secrets.values() {
        let path = PathBuf::from(FOLDER).join(secret.file.strip_prefix("./").unwrap());
        assert!(path.starts_with("docker/secrets"), "{}", path.display());
        assert!(text.contains(&format!(">{}", path.display())), "{} is told", path.display());
    }
    let used: Vec<&String> = compose.services.values().flat_map(|s| &s.secrets).collect();
    for secret in used {
        assert!(compose.secrets.contains_key(secret), "{secret} is no secret of the file");
    }
    assert!(!text.contains("PASSWORD:"), "a password stands in the file");
}

/// The quadlet's keys of `[Container]`, each with its values.
fn quadlet() -> BTreeMap<String, Vec<String>> {
    let text = read("cu-agent.container");
    let (_, section) = text.split_once("\n[Container]\n").unwrap();
    let (section, _) = section.split_once("\n[").unwrap();
    let mut keys = BTreeMap::<String, Vec<String>>::new();
    for line in section.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (key, value) = line.split_once('=').unwrap();
        keys.entry(key.to_owned()).or_default().push(value.to_owned());
    }
    keys
}

/// By podman itself it is read in `make test-package-all`, and started in `make gateway-container`.
#[test]
fn the_quadlet_for_podman_fits_the_image_and_confines_it_as_compose_does() {
    let (quadlet, compose, image) = (quadlet(), compose(), image());
    let agent = &compose.services["agent"];
    let one = |key: &str| {
        let [value] = quadlet[key].as_slice() else { panic!("{key} once: {quadlet:?}") };
        value.as_str()
    };
    assert_eq!(format!("{}:{}", one("User"), one("Group")), image.user);
    assert_eq!(
        (one("ReadOnly"), one("DropCapability"), one("NoNewPrivileges")),
        ("true", "all", "true")
    );
    assert_eq!(Some(one("PidsLimit").parse().unwrap()), agent.pids_limit);
    let memory = one("PodmanArgs").strip_prefix("--memory=").unwrap();
    assert_eq!(Some(memory), agent.mem_limit.as_deref());
    assert_eq!(Some(format!("{}s", one("StopTimeout"))), agent.stop_grace_period);
    let health: Vec<String> = serde_json::from_str(one("HealthCmd")).unwrap();
    assert_eq!(health, image.health);

    let state_dir = configuration(&compose).agent.state_dir.display().to_string();
    assert!(quadlet["Volume"].contains(&format!("cu-agent-state:{state_dir}")), "{quadlet:?}");
    let secrets: Vec<&str> = quadlet["Secret"]
        .iter()
        .map(|secret| secret.split(',').find_map(|part| part.strip_prefix("target=")).unwrap())
        .collect();
    assert_eq!(secrets, agent.secrets);
    // Each secret and each file that it names is made by a command in its head.
    let text = read("cu-agent.container");
    for secret in &quadlet["Secret"] {
        let name = secret.split(',').next().unwrap();
        assert!(text.contains(&format!("#   podman secret create {name} ")), "{name}");
    }
    for volume in &quadlet["Volume"] {
        let what = volume.split(':').next().unwrap();
        assert!(!what.starts_with('/') || text.contains(&format!(" {what}\n")), "{what} is told");
    }
}
