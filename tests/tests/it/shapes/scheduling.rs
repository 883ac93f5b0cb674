//! A scheduling product: organizations and teams, rooms that cannot be booked twice, event types with public links.

mod models;

use std::time::Duration;

use sqlx::{
    postgres::types::PgRange,
    types::chrono::{DateTime, Utc},
};
use tenant_runtime::{Error, Members as _, Repository as _, TenantCtx, TenantDb, UserCtx};
use uuid::Uuid;

use super::Journey;
use models::{
    Attending, Calendars, Channel, MemberRole, Owner,
    first::{
        self, Attendee, Booking, BookingState, Change, NewAttendee, NewBooking, NewReminder, NewRoom, Reminder, Room,
    },
    same::{
        EventType, Membership, NewEventType, NewOrganization, NewTeam, NewTeamMember, NewUser, Organization, Team,
        TeamMember, User,
    },
    second,
};

async fn user(db: &TenantDb, email: &str) -> Uuid {
    let new = NewUser { email: email.to_owned() };
    db.user_scope(&UserCtx::<Calendars>::anonymous()).sign_up::<User>(new).await.expect("a user")
}

async fn organization(db: &TenantDb, founder: Uuid, slug: &str) -> Result<TenantCtx<Owner>, Error> {
    let new = NewOrganization { name: slug.to_owned(), slug: slug.to_owned() };
    let scope = db.user_scope(&UserCtx::<Calendars>::assume_authenticated(founder));
    Ok(TenantCtx::assume_authorized(scope.create_tenant::<Organization>(new).await?, founder))
}

fn booking(room_id: Uuid, event_type_id: Uuid, from: DateTime<Utc>, minutes: u64) -> NewBooking {
    NewBooking {
        room_id,
        event_type_id: Some(event_type_id),
        title: "Review".to_owned(),
        during: PgRange::from(from..from + Duration::from_secs(60 * minutes)),
        state: None,
    }
}

fn event_type(slug: &str, link: &str) -> NewEventType {
    NewEventType {
        team_id: None,
        slug: slug.to_owned(),
        link: format!("{link:0>16}"),
        minutes: 30,
        channels: vec![Channel::Video, Channel::Room],
        hidden: None,
        created_at: None,
    }
}

#[tokio::test]
async fn scheduling_schema_is_generated_verified_used_changed_and_reverted() {
    let mut journey = Journey::start().await;
    journey.migrate(&first::models()).await;
    let db = journey.app("cal_service").await;

    let [ann, bob, eve] =
        [user(&db, "Ann@x.example").await, user(&db, "bob@x.example").await, user(&db, "eve@y.example").await];
    let acme = organization(&db, ann, "acme").await.expect("created");
    let globex = organization(&db, eve, "globex").await.expect("created");
    let taken = organization(&db, eve, "ACME").await.map(drop);
    assert!(matches!(taken, Err(Error::UniqueViolation { .. })), "{taken:?}");
    let (owner, other) = (db.scope(&acme), db.scope(&globex));
    Membership::add_member(&owner, bob, MemberRole::Attending).await.expect("added");

    let team = Team::insert(&owner, NewTeam { name: "Care Team".to_owned() }).await.expect("inserted");
    assert_eq!(team.slug, "care-team");
    TeamMember::insert(&owner, NewTeamMember { team_id: team.id, user_id: bob }).await.expect("inserted");
    let strange = TeamMember::insert(&owner, NewTeamMember { team_id: team.id, user_id: eve }).await.map(drop);
    assert!(matches!(strange, Err(Error::ForeignKeyViolation { .. })), "{strange:?}");

    let room = |name: &str| NewRoom { name: name.to_owned(), archived_at: None };
    let [blue, theirs] = [
        Room::insert(&owner, room("Blue")).await.expect("inserted").id,
        Room::insert(&other, room("Blue")).await.expect("inserted").id,
    ];
    let consultation = EventType::insert(&owner, event_type("consultation", "a")).await.expect("inserted");
    assert_eq!(consultation.channels, [Channel::Video, Channel::Room]);
    let same_link = EventType::insert(&other, event_type("consultation", "a")).await.map(drop);
    assert!(matches!(same_link, Err(Error::UniqueViolation { .. })), "{same_link:?}");
    EventType::insert(&other, event_type("consultation", "b"))
        .await
        .expect("the slug is unique within the organization");

    let of_bob = TenantCtx::<Attending>::assume_authorized(*acme.tenant_id(), bob);
    let bobs = db.scope(&of_bob);
    let noon = DateTime::parse_from_rfc3339("2026-12-01T12:00:00Z").expect("a time").to_utc();
    let first = Booking::insert(&bobs, booking(blue, consultation.id, noon, 60)).await.expect("inserted");
    assert_eq!((first.host_id, first.state), (bob, BookingState::Asked));
    let overlapping = booking(blue, consultation.id, noon + Duration::from_secs(60 * 30), 60);
    let refused = Booking::insert(&bobs, overlapping).await.map(drop);
    assert!(matches!(refused, Err(Error::UniqueViolation { .. })), "{refused:?}");
    let of_others = Booking::insert(&bobs, booking(theirs, consultation.id, noon, 60)).await.map(drop);
    assert!(matches!(of_others, Err(Error::ForeignKeyViolation { .. })), "{of_others:?}");
    let cancelled = first::BookingChanges { state: Some(BookingState::Cancelled), ..first::BookingChanges::default() };
    let cancelled = Booking::update(&bobs, first.id, cancelled).await.expect("bob's own");
    assert!(cancelled.updated_at > first.updated_at);
    let second = booking(blue, consultation.id, noon + Duration::from_secs(60 * 30), 60);
    let second = Booking::insert(&bobs, second).await.expect("the other one is cancelled");

    let attendee = |email: &str| NewAttendee { booking_id: second.id, email: email.to_owned() };
    Attendee::insert(&bobs, attendee("Guest@z.example")).await.expect("inserted");
    let twice = Attendee::insert(&bobs, attendee("guest@Z.example")).await.map(drop);
    assert!(matches!(twice, Err(Error::UniqueViolation { .. })), "{twice:?}");
    assert_eq!(Attendee::count(&bobs).filter(Attendee::EMAIL.eq("GUEST@z.example")).await.expect("counted"), 1);
    let due_at = noon - Duration::from_secs(60 * 10);
    Reminder::insert(&bobs, NewReminder { booking_id: second.id, due_at, sent: None }).await.expect("inserted");
    assert_eq!(Change::count(&owner).filter(Change::TABLE_NAME.eq("cal.bookings")).await.expect("counted"), 3);
    assert_eq!(Booking::count(&other).await.expect("counted"), 0);
    db.close().await;

    journey.migrate(&second::models()).await;
    let db = journey.app("cal_service").await;
    let bobs = db.scope(&of_bob);
    let kept = second::Booking::get(&bobs, second.id).await.expect("read");
    assert_eq!((&*kept.subject, kept.notes, kept.state), ("Review", None, second::BookingState::Asked));
    let missed = second::BookingChanges {
        state: Some(second::BookingState::Missed),
        notes: Some(Some("did not come".to_owned())),
        ..second::BookingChanges::default()
    };
    second::Booking::update(&bobs, second.id, missed).await.expect("updated");
    let back =
        second::BookingChanges { state: Some(second::BookingState::Confirmed), ..second::BookingChanges::default() };
    second::Booking::update(&bobs, second.id, back).await.expect("updated");
    db.close().await;

    journey.revert().await;
    let db = journey.app("cal_service").await;
    let kept = Booking::get(&db.scope(&of_bob), second.id).await.expect("read");
    assert_eq!((&*kept.title, kept.state), ("Review", BookingState::Confirmed));
    assert_eq!(Room::count(&db.scope(&acme)).await.expect("counted"), 1);
}
