//! Every write that takes an Idempotency-Key, sent twice at once to two instances, and once more later.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::support::{ASK_EVERY, Answer, Client, PASSWORD, SOON, engine, new_user, parts::Parts, send};

/// What a repeat of an operation is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repeated {
    /// The first answer again, and another body under the key is refused.
    Again,
    /// The first answer again; there is no body that could be another one.
    Bodiless,
    /// That the token is void.
    Void,
    /// That the user is gone.
    Gone,
    /// The lines of before, each marked by itself.
    Lines,
}

/// A request that does something when it is sent for the first time.
struct Write {
    path: String,
    /// Whose token it is sent with.
    token: String,
    /// The body, and another one.
    bodies: [Value; 2],
    repeated: Repeated,
}

/// Two instances of command-api over the same tables.
struct Instances {
    parts: Parts,
    other: Client,
    /// Users that were made.
    users: u32,
}

impl Instances {
    async fn start() -> Self {
        let parts = Parts::start().await;
        let other = parts.command_api().await;
        Self { parts, other, users: 0 }
    }

    fn api(&self) -> &Client {
        &self.parts.commands
    }

    /// Commits in the log.
    async fn commits(&self) -> usize {
        engine::items(&self.parts.dynamodb, "events").await.len()
    }

    fn next_user(&mut self) -> Value {
        self.users += 1;
        new_user(self.users)
    }

    /// A user who was invited; gives the id.
    async fn invited(&mut self) -> String {
        let user = self.next_user();
        self.api().post("/v1/users", &user).await.expect(201).text("id")
    }

    /// A user who is signed in; gives the id, and a client.
    async fn signed_in(&mut self) -> (String, Client) {
        let mut user = self.next_user();
        user["password"] = PASSWORD.into();
        let id = self.api().post("/v1/users", &user).await.expect(201).text("id");
        (id, self.api().sign_in(user["username"].as_str().unwrap(), PASSWORD).await)
    }

    /// A new role; gives its path and its id.
    async fn role(&self, name: &str) -> (String, String) {
        let path = self.parts.new_role(name).await;
        let id = path.rsplit('/').next().unwrap().to_owned();
        (path, id)
    }

    /// Makes what an operation needs, and says how it is asked for.
    async fn prepare(&mut self, operation: &str) -> Write {
        let reasons = [json!({ "reason": "a test" }), json!({ "reason": "another test" })];
        let names = [json!({ "first_name": "Augusta" }), json!({ "first_name": "Byron" })];
        let role = |name: &str| json!({ "name": name, "level": 1, "permissions": ["users:read"] });
        let none = [Value::Null, Value::Null];
        let admin = self.api().token().to_owned();
        let write = |path: String, bodies: [Value; 2], repeated: Repeated| Write {
            path,
            token: admin.clone(),
            bodies,
            repeated,
        };
        let own = |path: &str, client: &Client, bodies: [Value; 2], repeated: Repeated| Write {
            path: path.to_owned(),
            token: client.token().to_owned(),
            bodies,
            repeated,
        };
        let user = |id: &str, what: &str| format!("/v1/users/{id}{what}");
        match operation {
            "create_user" => {
                let first = self.next_user();
                write("/v1/users".to_owned(), [first, self.next_user()], Repeated::Again)
            }
            "import_users" => {
                let line = self.next_user();
                write("/v1/users:import".to_owned(), [line, Value::Null], Repeated::Lines)
            }
            "change_user" => write(user(&self.invited().await, ""), names, Repeated::Again),
            "invite_user" => write(user(&self.invited().await, "/invite"), reasons, Repeated::Again),
            "suspend_user" => write(user(&self.invited().await, "/suspend"), reasons, Repeated::Again),
            "reactivate_user" => {
                let id = self.invited().await;
                self.api().post(&user(&id, "/suspend"), &reasons[0]).await.expect(200);
                write(user(&id, "/reactivate"), reasons, Repeated::Again)
            }
            "erase_user" => write(user(&self.invited().await, "/erase"), reasons, Repeated::Gone),
            "require_password_change" => {
                write(user(&self.signed_in().await.0, "/require-password-change"), reasons, Repeated::Again)
            }
            "remove_factors" => {
                let (id, client) = self.signed_in().await;
                client.set_up_totp().await;
                write(user(&id, "/factors"), reasons, Repeated::Again)
            }
            "end_sessions" => write(user(&self.signed_in().await.0, "/sessions"), reasons, Repeated::Again),
            "end_session" => {
                let (id, client) = self.signed_in().await;
                write(user(&id, &format!("/sessions/{}", session_of(&client))), none, Repeated::Bodiless)
            }
            "assign_role" => {
                let (_, role) = self.role("to be given").await;
                let terms = ["branch:austin", "branch:dallas"].map(|scope| json!({ "scope": scope }));
                write(user(&self.invited().await, &format!("/roles/{role}")), terms, Repeated::Again)
            }
            "revoke_role" => {
                let (_, role) = self.role("to be taken").await;
                let path = user(&self.invited().await, &format!("/roles/{role}"));
                self.api().put(&path).await.expect(200);
                write(path, reasons, Repeated::Again)
            }
            "create_role" => write("/v1/roles".to_owned(), ["one", "another"].map(role), Repeated::Again),
            "change_role" => {
                let levels = [2, 3].map(|level| json!({ "level": level }));
                write(self.role("to be changed").await.0, levels, Repeated::Again)
            }
            "retire_role" => write(self.role("to be retired").await.0, reasons, Repeated::Again),
            "change_me" => own("/v1/me", &self.signed_in().await.1, names, Repeated::Again),
            "set_preferences" => {
                let wanted = ["21:00", "22:00"]
                    .map(|from| json!({ "muted": [], "quiet_hours": { "from": from, "to": "07:00" } }));
                own("/v1/me/preferences", &self.signed_in().await.1, wanted, Repeated::Again)
            }
            "end_own_session" => {
                let (_, client) = self.signed_in().await;
                let name = format!("person{}", self.users);
                let elsewhere = self.api().sign_in(&name, PASSWORD).await;
                own(&format!("/v1/me/sessions/{}", session_of(&elsewhere)), &client, none, Repeated::Bodiless)
            }
            "end_own_sessions" => own("/v1/me/sessions", &self.signed_in().await.1, reasons, Repeated::Void),
            "logout" => own("/v1/auth/logout", &self.signed_in().await.1, none, Repeated::Void),
            other => panic!("{other} takes an Idempotency-Key: say here how it is asked for"),
        }
    }
}

/// The session of a client's token.
fn session_of(client: &Client) -> String {
    let claims = client.token().split('.').nth(1).unwrap();
    let claims = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, claims).unwrap();
    serde_json::from_slice::<Value>(&claims).unwrap()["sid"].as_str().unwrap().to_owned()
}

/// An operation that takes an Idempotency-Key: its name, its method, and whether it takes an If-Match.
struct Keyed {
    name: String,
    method: Method,
    matches: bool,
}

/// Those of the document.
fn keyed() -> Vec<Keyed> {
    let document: Value = serde_json::from_str(include_str!("../../command-api/openapi.json")).unwrap();
    let mut keyed = Vec::new();
    for methods in document["paths"].as_object().unwrap().values() {
        for (method, operation) in methods.as_object().unwrap() {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let headers: Vec<&str> = parameters.filter_map(|parameter| parameter["name"].as_str()).collect();
            if headers.contains(&"Idempotency-Key") {
                keyed.push(Keyed {
                    name: operation["operationId"].as_str().unwrap().to_owned(),
                    method: method.to_uppercase().parse().unwrap(),
                    matches: headers.contains(&"If-Match"),
                });
            }
        }
    }
    keyed
}

impl Keyed {
    /// Sends it to an instance, with one of its bodies, always under the same key.
    async fn ask(&self, instance: &Client, write: &Write, body: usize) -> Answer {
        let client = instance.with_token(&write.token);
        let mut request = client.request(self.method.clone(), &write.path).header("idempotency-key", "the-key");
        if self.matches {
            request = request.header("if-match", "*");
        }
        match (write.repeated, &write.bodies[body]) {
            (_, Value::Null) => send(request).await,
            (Repeated::Lines, line) => {
                let request = request.header("content-type", "application/x-ndjson").body(line.to_string());
                let response = request.send().await.unwrap();
                let (status, headers) = (response.status(), response.headers().clone());
                let lines = response.text().await.unwrap();
                let body = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect();
                Answer { status, headers, body }
            }
            (_, body) => send(request.json(body)).await,
        }
    }

    /// The answers: two at once, and a later one. Between them it happened once.
    async fn ask_thrice(&self, world: &Instances, write: &Write) -> [Answer; 3] {
        let before = world.commits().await;
        let (first, second) = tokio::join!(self.ask(world.api(), write, 0), self.ask(&world.other, write, 0));
        let later = self.ask(&world.other, write, 0).await;
        assert_eq!(world.commits().await, before + 1, "{}: {first:?} {second:?} {later:?}", self.name);
        [first, second, later]
    }
}

/// What has to be the same each time.
fn essence(answer: &Answer) -> (u16, &Value, [&str; 3]) {
    let headers = ["etag", "consistency-token", "location"].map(|name| answer.header(name));
    (answer.status.as_u16(), &answer.body, headers)
}

#[tokio::test]
async fn a_write_that_is_repeated_at_once_at_two_instances_happens_once() {
    let mut world = Instances::start().await;
    let operations = keyed();
    assert!(operations.len() > 20, "{}", operations.len());
    for operation in operations {
        let name = operation.name.as_str();
        let write = world.prepare(name).await;
        let answers = operation.ask_thrice(&world, &write).await;
        let done: Vec<&Answer> = answers.iter().filter(|answer| answer.status.is_success()).collect();
        let refused: Vec<u16> =
            answers.iter().map(|answer| answer.status.as_u16()).filter(|status| *status >= 300).collect();
        let replayed = done.iter().filter(|answer| answer.header("idempotent-replayed") == "true").count();
        match write.repeated {
            Repeated::Again | Repeated::Bodiless => {
                assert_eq!((done.len(), replayed), (3, 2), "{name}: {answers:?}");
                assert!(done.iter().all(|answer| essence(answer) == essence(done[0])), "{name}: {answers:?}");
            }
            Repeated::Void => {
                assert_eq!((done.len() - replayed, refused.iter().all(|status| *status == 401)), (1, true), "{name}");
            }
            Repeated::Gone => assert_eq!((done.len(), refused), (1, vec![410, 410]), "{name}: {answers:?}"),
            Repeated::Lines => {
                let repeated = answers.iter().filter(|answer| answer.body[0]["replayed"] == true).count();
                assert_eq!((done.len(), repeated), (3, 2), "{name}: {answers:?}");
                assert!(done.iter().all(|answer| answer.body[0]["id"] == done[0].body[0]["id"]), "{name}: {answers:?}");
                assert!(done.iter().all(|answer| answer.body[1] == json!({ "lines": 1 })), "{name}: {answers:?}");
            }
        }
        match write.repeated {
            Repeated::Again => {
                let reused = operation.ask(world.api(), &write, 1).await.expect(422);
                assert_eq!(reused.body["code"], "idempotency-key-reused", "{name}");
            }
            Repeated::Void => {
                let voided = async {
                    while operation.ask(world.api(), &write, 0).await.status != 401 {
                        sleep(ASK_EVERY).await;
                    }
                };
                timeout(SOON, voided).await.expect("the token is void");
            }
            _ => (),
        }
    }
    world.parts.stop().await;
}
