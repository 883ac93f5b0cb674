//! The models of the scheduling product, in two versions.

#![expect(dead_code, reason = "not every column is read")]

use sqlx::{
    postgres::types::PgRange,
    types::chrono::{DateTime, NaiveTime, Utc},
};
use tenant_runtime::{Models, TenantEnum, TenantTable, tenancy};
use uuid::Uuid;

tenancy! {
    /// Calendars of organizations.
    pub(in crate::shapes) Calendars {
        key: Uuid,
        schema: "cal",
        role_prefix: "cal_",
        extensions: { btree_gist: "ext", citext: "ext" },
        roles: {
            /// Reads the calendar.
            Guest,
            /// Books rooms.
            Attending: Guest,
            /// Manages members and rooms.
            Owner: Attending,
        },
    }
}

/// The role of a member.
#[derive(Debug, Clone, Copy, PartialEq, TenantEnum)]
#[tenant(native)]
pub(super) enum MemberRole {
    Guest,
    Attending,
    Owner,
}

/// How people meet.
#[derive(Debug, Clone, Copy, PartialEq, TenantEnum)]
pub(super) enum Channel {
    Room,
    Phone,
    Video,
}

/// The tables that no version changes.
pub(super) mod same {
    use super::*;

    /// An organization.
    #[derive(Debug, Clone, TenantTable)]
    #[tenant(org = "id", select = "guest", update = "owner", creator_role = "owner")]
    pub(in super::super) struct Organization {
        pub id: Uuid,
        pub name: String,
        #[tenant(sql_type = "ext.citext", unique)]
        pub slug: String,
        #[tenant(updated_at)]
        pub updated_at: DateTime<Utc>,
    }

    /// A user.
    #[derive(Debug, Clone, TenantTable)]
    #[tenant(global, visible_through = Membership, select = "guest", sign_up)]
    pub(in super::super) struct User {
        pub id: Uuid,
        #[tenant(sql_type = "ext.citext", unique)]
        pub email: String,
    }

    /// A membership.
    #[derive(Debug, Clone, TenantTable)]
    #[tenant(org = "organization_id", select = "guest", insert = "owner", update = "owner", delete = "owner")]
    #[tenant(membership(user = "user_id", role = "role"))]
    pub(in super::super) struct Membership {
        #[tenant(id, references = Organization, on_delete = "cascade")]
        pub organization_id: Uuid,
        #[tenant(id, references = User)]
        pub user_id: Uuid,
        pub role: MemberRole,
    }

    /// A team; its address is derived from its name.
    #[derive(Debug, Clone, TenantTable)]
    #[tenant(org = "organization_id", select = "guest", insert = "owner", update = "owner", delete = "owner")]
    pub(in super::super) struct Team {
        pub id: Uuid,
        #[tenant(references = Organization, on_delete = "cascade")]
        pub organization_id: Uuid,
        pub name: String,
        #[tenant(generated = "lower(replace(name, ' ', '-'))", unique)]
        pub slug: String,
    }

    /// A member of a team.
    #[derive(Debug, Clone, TenantTable)]
    #[tenant(parent = "team_id", select = "guest", insert = "owner", delete = "owner", unique(team_id, user_id))]
    pub(in super::super) struct TeamMember {
        pub id: Uuid,
        #[tenant(references = Team, on_delete = "cascade")]
        pub team_id: Uuid,
        #[tenant(references = Membership, on_delete = "cascade")]
        pub user_id: Uuid,
    }

    /// When a member can be booked.
    #[derive(Debug, Clone, TenantTable)]
    #[tenant(
        org = "organization_id",
        select = "guest",
        insert = "attending",
        update_own = "attending",
        delete_own = "attending",
        delete = "owner"
    )]
    #[tenant(owner = "user_id", check = "opens_at < closes_at", unique(user_id, weekday, opens_at))]
    pub(in super::super) struct Availability {
        pub id: i64,
        #[tenant(references = Organization, on_delete = "cascade")]
        pub organization_id: Uuid,
        #[tenant(references = Membership, on_delete = "cascade")]
        pub user_id: Uuid,
        #[tenant(check = "weekday BETWEEN 0 AND 6")]
        pub weekday: i16,
        pub opens_at: NaiveTime,
        pub closes_at: NaiveTime,
    }

    /// A kind of appointment, with a link that people without an account open.
    #[derive(Debug, Clone, TenantTable)]
    #[tenant(org = "organization_id", select = "guest", insert = "attending", update = "attending", delete = "owner")]
    #[tenant(unique(slug, where = "NOT hidden"), index(created_at desc, id))]
    pub(in super::super) struct EventType {
        pub id: Uuid,
        #[tenant(references = Organization, on_delete = "cascade")]
        pub organization_id: Uuid,
        #[tenant(references = Team, on_delete = "set_null")]
        pub team_id: Option<Uuid>,
        pub slug: String,
        #[tenant(unique = "global", check = "length(link) >= 16")]
        pub link: String,
        #[tenant(check = "minutes > 0")]
        pub minutes: i32,
        pub channels: Vec<Channel>,
        #[tenant(default = "false")]
        pub hidden: bool,
        #[tenant(default = "now()")]
        pub created_at: DateTime<Utc>,
    }
}

/// The first version.
pub(super) mod first {
    use super::{same::*, *};

    /// The state of a booking.
    #[derive(Debug, Clone, Copy, PartialEq, TenantEnum)]
    pub(in super::super) enum BookingState {
        Asked,
        Confirmed,
        Cancelled,
    }

    /// A room.
    #[derive(Debug, Clone, TenantTable)]
    #[tenant(org = "organization_id", select = "guest", insert = "owner", update = "owner", delete = "owner")]
    #[tenant(unique(name, where = "archived_at IS NULL"))]
    pub(in super::super) struct Room {
        pub id: Uuid,
        #[tenant(references = Organization, on_delete = "cascade")]
        pub organization_id: Uuid,
        pub name: String,
        pub archived_at: Option<DateTime<Utc>>,
    }

    /// A booking of a room; two that are not cancelled do not overlap.
    #[derive(Debug, Clone, TenantTable)]
    #[tenant(
        org = "organization_id",
        select = "guest",
        insert = "attending",
        update_own = "attending",
        delete = "owner"
    )]
    #[tenant(owner = "host_id", track_changes, check = "NOT isempty(during)")]
    #[tenant(exclude(room_id with "=", during with "&&", where = "state <> 'cancelled'"))]
    pub(in super::super) struct Booking {
        pub id: Uuid,
        #[tenant(references = Organization, on_delete = "cascade")]
        pub organization_id: Uuid,
        #[tenant(references = Membership)]
        pub host_id: Uuid,
        #[tenant(references = Room)]
        pub room_id: Uuid,
        #[tenant(references = EventType, on_delete = "set_null", deferrable)]
        pub event_type_id: Option<Uuid>,
        pub title: String,
        #[tenant(sql_type = "tstzrange")]
        pub during: PgRange<DateTime<Utc>>,
        #[tenant(default = "'asked'")]
        pub state: BookingState,
        #[tenant(updated_at)]
        pub updated_at: DateTime<Utc>,
    }

    /// A guest of a booking.
    #[derive(Debug, Clone, TenantTable)]
    #[tenant(
        parent = "booking_id",
        select = "guest",
        insert = "attending",
        delete = "attending",
        unique(booking_id, email)
    )]
    pub(in super::super) struct Attendee {
        pub id: Uuid,
        #[tenant(references = Booking, on_delete = "cascade")]
        pub booking_id: Uuid,
        #[tenant(sql_type = "ext.citext")]
        pub email: String,
    }

    /// A reminder that a job sends.
    #[derive(Debug, Clone, TenantTable)]
    #[tenant(
        parent = "booking_id",
        select = "guest",
        insert = "attending",
        delete = "owner",
        system(select, update),
        index(due_at, where = "NOT sent")
    )]
    pub(in super::super) struct Reminder {
        pub id: Uuid,
        #[tenant(references = Booking, on_delete = "cascade")]
        pub booking_id: Uuid,
        pub due_at: DateTime<Utc>,
        #[tenant(default = "false")]
        pub sent: bool,
    }

    /// The change log.
    #[derive(Debug, Clone, TenantTable)]
    #[tenant(org = "organization_id", select = "owner", change_log)]
    pub(in super::super) struct Change {
        pub id: i64,
        pub organization_id: Uuid,
        pub user_id: Option<Uuid>,
        pub role: String,
        pub table_name: String,
        pub row_key: String,
        pub command: String,
        pub before: Option<serde_json::Value>,
        pub after: Option<serde_json::Value>,
        #[tenant(default = "now()")]
        pub at: DateTime<Utc>,
    }

    pub(in super::super) fn models() -> Models {
        tenant_runtime::models![].only([
            Organization::TABLE,
            User::TABLE,
            Membership::TABLE,
            Team::TABLE,
            TeamMember::TABLE,
            Availability::TABLE,
            EventType::TABLE,
            Room::TABLE,
            Booking::TABLE,
            Attendee::TABLE,
            Reminder::TABLE,
            Change::TABLE,
        ])
    }
}

/// The second version: bookings have a subject instead of a title, notes, and one state more; rooms have a floor.
pub(super) mod second {
    use super::{
        first::{Attendee, Change, Reminder},
        same::*,
        *,
    };

    /// The state of a booking.
    #[derive(Debug, Clone, Copy, PartialEq, TenantEnum)]
    pub(in super::super) enum BookingState {
        Asked,
        Confirmed,
        Missed,
        Cancelled,
    }

    /// A room.
    #[derive(Debug, Clone, TenantTable)]
    #[tenant(org = "organization_id", select = "guest", insert = "owner", update = "owner", delete = "owner")]
    #[tenant(unique(floor, name, where = "archived_at IS NULL"))]
    pub(in super::super) struct Room {
        pub id: Uuid,
        #[tenant(references = Organization, on_delete = "cascade")]
        pub organization_id: Uuid,
        #[tenant(default = "0")]
        pub floor: i16,
        pub name: String,
        pub archived_at: Option<DateTime<Utc>>,
    }

    /// A booking of a room; two that are not cancelled do not overlap.
    #[derive(Debug, Clone, TenantTable)]
    #[tenant(
        org = "organization_id",
        select = "guest",
        insert = "attending",
        update_own = "attending",
        delete = "owner"
    )]
    #[tenant(owner = "host_id", track_changes, check = "NOT isempty(during)")]
    #[tenant(exclude(room_id with "=", during with "&&", where = "state <> 'cancelled'"))]
    pub(in super::super) struct Booking {
        pub id: Uuid,
        #[tenant(references = Organization, on_delete = "cascade")]
        pub organization_id: Uuid,
        #[tenant(references = Membership)]
        pub host_id: Uuid,
        #[tenant(references = Room)]
        pub room_id: Uuid,
        #[tenant(references = EventType, on_delete = "set_null", deferrable)]
        pub event_type_id: Option<Uuid>,
        #[tenant(renamed_from = "title")]
        pub subject: String,
        pub notes: Option<String>,
        #[tenant(sql_type = "tstzrange")]
        pub during: PgRange<DateTime<Utc>>,
        #[tenant(default = "'asked'")]
        pub state: BookingState,
        #[tenant(updated_at)]
        pub updated_at: DateTime<Utc>,
    }

    /// A day without bookings.
    #[derive(Debug, Clone, TenantTable)]
    #[tenant(org = "organization_id", select = "guest", insert = "owner", delete = "owner", unique(day, name))]
    pub(in super::super) struct Holiday {
        pub id: Uuid,
        #[tenant(references = Organization, on_delete = "cascade")]
        pub organization_id: Uuid,
        pub day: sqlx::types::chrono::NaiveDate,
        pub name: String,
    }

    pub(in super::super) fn models() -> Models {
        tenant_runtime::models![].only([
            Organization::TABLE,
            User::TABLE,
            Membership::TABLE,
            Team::TABLE,
            TeamMember::TABLE,
            Availability::TABLE,
            EventType::TABLE,
            Room::TABLE,
            Booking::TABLE,
            Attendee::TABLE,
            Reminder::TABLE,
            Change::TABLE,
            Holiday::TABLE,
        ])
    }
}
