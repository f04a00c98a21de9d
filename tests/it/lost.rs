//! Messages that got lost on the way to their queue are noticed, and their notifications are sent all the same.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use events::{
    commit::timestamp,
    decider::Decider,
    envelope::{Actor, Metadata},
    ids::{EventId, NotificationId, UserId},
    notification::{
        Lane, Notification, NotificationCommand, NotificationRefusal, NotificationRequested, NotificationState,
        template::WELCOME,
    },
    views::BUCKETS,
};
use platform::{
    clock::Clock,
    context::Context,
    rows::Rows,
    store::{Folded, Intent},
    tables::NOTIFICATIONS,
};
use projector::notify::Queues;

use crate::support::{
    Client,
    faults::{Fault, Faults},
    messages_to, new_user,
    parts::Parts,
    phone,
    store::context_at,
};

/// How long ago a message got lost: longer than the sweeper leaves a new notification, or one that was overtaken, to its queue.
const AGO: Duration = Duration::from_mins(10);

/// How long a message is kept that makes its lane a busy one, in seconds: longer than any test takes.
const KEPT_SECONDS: u32 = 600;

/// The log as it is reached at that time.
async fn then(parts: &Parts) -> Context {
    context_at(&parts.settings(), Clock::manual(Clock::system().now() - AGO)).await
}

/// Requests a message without putting it on a queue.
async fn requested(context: &Context, user_id: UserId) -> NotificationId {
    let event_id = EventId(context.clock.new_id());
    let id = NotificationId::caused_by(event_id, user_id, WELCOME.name);
    let request = NotificationRequested {
        user_id,
        event_id,
        template: WELCOME.name.to_owned(),
        lane: Lane::Transactional,
        expires_at: context.clock.now() + WELCOME.lifetime,
    };
    let decide = |folded: &Folded<Option<NotificationState>>| -> Result<_, NotificationRefusal> {
        Notification::decide(&folded.state, NotificationCommand::Request(request.clone()))
    };
    let metadata = Metadata {
        actor: Actor::System,
        reason: None,
        correlation_id: event_id.0,
        causation_id: Some(event_id),
        traceparent: None,
    };
    context.notifications.execute(id.into(), &Intent::of(metadata), decide).await.unwrap();
    id
}

/// From now on the lane is never empty: somebody has a message of it in hand.
async fn keep_busy(context: &Context, lane: Lane) {
    let queues = Queues::find(context.aws.sqs.clone(), &context.names).await.unwrap();
    queues.send(lane, NotificationId(context.clock.new_id()), None).await.unwrap();
    let received = queues.receive(lane, 1).await.unwrap();
    queues.show_again_in(lane, &received[0], KEPT_SECONDS).await.unwrap();
}

async fn until_delivered(queries: &Client, user: &str, count: usize) {
    let path = format!("/v1/notifications?user_id={user}");
    let delivered = |answer: &crate::support::Answer| {
        let all = answer.body["items"].as_array();
        all.is_some_and(|all| all.len() == count && all.iter().all(|it| it["status"] == "delivered"))
    };
    queries.get_until(&path, delivered).await;
}

#[tokio::test]
async fn a_request_whose_message_did_not_get_to_the_queue_gets_one_when_its_event_comes_again() {
    let parts = Parts::start().await;
    let queries = parts.query_api(&parts.dynamodb_url()).await;
    keep_busy(&then(&parts).await, Lane::Transactional).await;
    let faults = Faults::start(parts.sqs_url());
    faults.on("SendMessage", Fault::Refuse("InvalidMessageContents"), 1);
    let _projector = parts.projector_around(&[("AWS_ENDPOINT_URL_SQS", &faults.url)]).await;
    let user = parts.commands.post("/v1/users", &new_user(1)).await.expect(201).text("id");
    until_delivered(&queries, &user, 1).await;
    assert_eq!(faults.heal(), 1, "the message did not get there once");
    assert_eq!(messages_to(&parts.telnyx_url(), &phone(1)).await.len(), 1);
    parts.stop().await;
}

#[tokio::test]
async fn a_notification_that_was_overtaken_is_sent_although_its_lane_is_never_empty() {
    let parts = Parts::start().await;
    let queries = parts.query_api(&parts.dynamodb_url()).await;
    let then = then(&parts).await;
    keep_busy(&then, Lane::Transactional).await;
    let _projector = parts.plain_projector().await;
    let user = parts.commands.post("/v1/users", &new_user(1)).await.expect(201).text("id");
    until_delivered(&queries, &user, 1).await;
    requested(&then, user.parse().unwrap()).await;
    until_delivered(&queries, &user, 2).await;
    assert_eq!(messages_to(&parts.telnyx_url(), &phone(1)).await.len(), 2);
    parts.stop().await;
}

#[tokio::test]
async fn a_row_that_cannot_be_read_keeps_nothing_else_from_being_swept() {
    let parts = Parts::start().await;
    let queries = parts.query_api(&parts.dynamodb_url()).await;
    let then = then(&parts).await;
    // Whichever bucket the notification lies in, there is one before it.
    for bucket in 0..BUCKETS {
        let text = |text: String| AttributeValue::S(text);
        let row = parts.dynamodb.put_item().table_name("notifications").item("status", text("nonsense".to_owned()));
        let row = row.item("id", text(format!("1#{}", then.clock.new_id()))).item("open", text(format!("1#{bucket}")));
        row.item("look_again_at", text(timestamp(then.clock.now() - AGO))).send().await.unwrap();
    }
    let user = parts.commands.post("/v1/users", &new_user(1)).await.expect(201).text("id");
    let _projector = parts.plain_projector().await;
    until_delivered(&queries, &user, 1).await;
    requested(&then, user.parse().unwrap()).await;
    until_delivered(&queries, &user, 2).await;
    parts.stop().await;
}

#[tokio::test]
async fn rows_that_are_due_at_the_same_moment_are_all_on_some_page() {
    let parts = Parts::start().await;
    let then = then(&parts).await;
    let rows: Rows<NotificationState> =
        Rows::new(then.aws.dynamodb.clone(), &then.names, &NOTIFICATIONS, &then.generations);
    let user = UserId(then.clock.new_id());
    let mut expected = Vec::new();
    // Enough for several in some bucket.
    for _ in 0..2 * BUCKETS {
        let id = requested(&then, user).await;
        let state = then.notifications.load(id.into()).await.unwrap().state.unwrap();
        assert!(rows.put(&state, None).await.unwrap());
        expected.push(id);
    }
    let (mut found, mut pages) = (Vec::new(), 0);
    for bucket in 0..BUCKETS {
        let mut next = None;
        loop {
            let due = rows.due(bucket, Clock::system().now(), next, 1).await.unwrap();
            assert!(due.rows.len() <= 1 && due.unreadable.is_empty(), "{due:?}");
            found.extend(due.rows.iter().map(|row| row.id));
            pages += 1;
            next = due.next;
            if next.is_none() {
                break;
            }
        }
    }
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
    assert!(pages > usize::from(BUCKETS), "some bucket has several pages");
    parts.stop().await;
}
