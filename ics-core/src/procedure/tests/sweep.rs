//! Fences: which rows they take, when, and how the job behind one comes to its end.

use core::time::Duration;

use super::*;
use crate::fence::{Fence, FenceScope, date_after};
use crate::job::{Job, JobOwner, JobStatus};
use crate::port::Cursor;
use crate::procedure::sweep::*;

const JOB: JobId = JobId::from_bytes([6; 16]);

fn service_scope() -> FenceScope {
    FenceScope::Service {
        third_party_sp: sp("shop"),
        service_uri: key().service_uri,
    }
}

fn device_scope(service_uri: Option<ServiceUri>) -> FenceScope {
    FenceScope::Device {
        iot_sp: sp("maker"),
        device_id: DeviceId::parse("d-1").unwrap(),
        service_uri,
    }
}

fn fence(scope: FenceScope, cause: DemappingCause, by: EndedBy) -> Arc<Fence> {
    Arc::new(Fence {
        job: JOB,
        scope,
        demapping: demapping(cause, by),
        at: NOW,
    })
}

fn service_fence() -> Arc<Fence> {
    let by = EndedBy::Party(Role::ThirdPartySp);
    fence(service_scope(), DemappingCause::ServiceInvalid, by)
}

fn job(total: u64) -> Arc<Job> {
    Arc::new(Job {
        id: JOB,
        owner: JobOwner::Party(sp("shop"), Role::ThirdPartySp),
        status: JobStatus::Running,
        total,
        done: 0,
        failed: 0,
        cursor: None,
        created: NOW,
        finished: None,
        version: 1,
    })
}

fn job_after(change: &Change) -> Arc<Job> {
    let mut jobs = change.directory().iter().filter_map(|(_, write)| {
        let Some(DirectoryRecord::Job(job)) = &write.after else {
            return None;
        };
        Some(job.clone())
    });
    jobs.next().unwrap()
}

fn drops_fence(change: &Change) -> bool {
    change.directory().iter().any(|(_, w)| {
        matches!(
            (&w.before, &w.after),
            (Some(DirectoryRecord::Fence(_)), None)
        )
    })
}

#[test]
fn a_fence_takes_the_live_rows_of_its_scope_that_were_there() {
    let (row, _) = established();
    let (waiting, _) = pending();
    let fence = service_fence();
    assert!(fence.covers(&row) && fence.covers(&waiting));
    let later = Mapping {
        created: NOW.plus(Duration::from_millis(1)),
        ..row.clone()
    };
    assert!(!fence.covers(&later), "made after it");
    let mut elsewhere = row.clone();
    elsewhere.key.service_uri = ServiceUri::parse("https://s.example/milk").unwrap();
    let of_other = Mapping {
        third_party_sp: sp("shop2"),
        ..row.clone()
    };
    assert!(!fence.covers(&elsewhere) && !fence.covers(&of_other));
    let ended = show_fenced(&row, &fence, &Knobs::default());
    assert!(!fence.covers(&ended), "gone already");
}

#[test]
fn a_fence_over_a_device_goes_by_when_the_row_became_the_devices() {
    let (mut row, _) = established();
    let by = EndedBy::Party(Role::IotSp);
    let withdrawn = DemappingCause::UserAuthorizationWithdrawn;
    let over = fence(device_scope(None), withdrawn, by);
    assert!(over.covers(&row));
    assert!(!over.covers(&pending().0), "no device yet");
    if let State::Established { since, .. } = &mut row.state {
        *since = LATER;
    }
    assert!(!over.covers(&row), "established after it");
    // A dead device ID has no later rows: whatever has it is gone.
    let unregistered = DemappingCause::DeviceUnregistered;
    assert!(fence(device_scope(None), unregistered, by).covers(&row));
    let one = Some(key().service_uri);
    assert!(!fence(device_scope(one), unregistered, by).covers(&row));
}

#[test]
fn an_inquiry_and_a_row_are_judged_alike() {
    let (mut row, _) = established();
    for (created, covered) in [(NOW, true), (LATER, false)] {
        row.id = MappingId::mint(created, [0; 10]);
        row.created = created;
        let found = Correlation::of(&row).unwrap();
        let fence = service_fence();
        assert_eq!(row.id.minted_at(), created);
        assert_eq!(fence.covers(&row), covered);
        assert_eq!(fence.covers_correlation(&found), covered);
    }
}

#[test]
fn what_is_made_behind_a_clock_that_stood_still_is_dated_after_the_fence() {
    let fences = [service_fence()];
    let in_it = date_after(fences.iter(), |_| true, NOW);
    assert_eq!(in_it, NOW.plus(Duration::from_millis(1)));
    assert_eq!(date_after(fences.iter(), |_| false, NOW), NOW);
    assert_eq!(date_after(fences.iter(), |_| true, LATER), LATER);
}

#[test]
fn a_row_behind_a_fence_looks_as_the_sweep_will_leave_it() {
    let fence = service_fence();
    for (row, facts) in [established(), pending(), failing()] {
        let shown = show_fenced(&row, &fence, &Knobs::default());
        let rows = [(row, facts)];
        let change = decide_fenced_demapping(&rows, &fence, &Knobs::default(), LATER);
        assert_eq!(*row_after(&change.unwrap()), shown);
    }
}

#[test]
fn a_sweep_that_comes_late_tells_of_the_fence_and_gives_notices_their_time() {
    let (row, facts) = established();
    let knobs = Knobs::default();
    let change = decide_fenced_demapping(&[(row, facts)], &service_fence(), &knobs, LATER).unwrap();
    assert_eq!(
        roles(&change),
        [Role::IotSp],
        "the requester has its answer"
    );
    let entry = change.outbox()[0].after.as_ref().unwrap();
    assert_eq!(entry.event_time, NOW);
    assert_eq!(entry.deadline, LATER.plus(knobs.notification_lifetime));
    assert_eq!(row_after(&change).updated, NOW);
}

#[test]
fn fence_and_job_are_one_change_and_the_fence_goes_with_the_last_row() {
    let fence = service_fence();
    let job = job(1500);
    assert_eq!(decide_fence(&fence, &job).directory().len(), 2);
    let cursor = Cursor(vec![1]);
    let step = decide_progress(
        Change::default(),
        (&fence, &job),
        (1000, 0),
        Some(cursor.clone()),
        NOW,
    );
    let half_way = job_after(&step);
    assert_eq!((half_way.done, half_way.status), (1000, JobStatus::Running));
    assert_eq!(half_way.cursor, Some(cursor));
    assert!(!drops_fence(&step));
    // Two rows were ended by others meanwhile.
    let last = decide_progress(
        Change::default(),
        (&fence, &half_way),
        (498, 0),
        None,
        LATER,
    );
    let ended = job_after(&last);
    assert!(drops_fence(&last));
    assert_eq!((ended.done, ended.total), (1500, 1500));
    assert_eq!(
        (ended.status, ended.finished),
        (JobStatus::Done, Some(LATER))
    );
    let retention = Knobs::default().tombstone_retention;
    assert!(decide_job_purge(&ended, &Knobs::default(), LATER).is_none());
    assert!(decide_job_purge(&ended, &Knobs::default(), LATER.plus(retention)).is_some());
    assert!(decide_job_retry(&ended).is_none());
}

#[test]
fn a_row_that_cannot_be_swept_keeps_the_fence_until_a_retry_sweeps_it() {
    let fence = service_fence();
    let last = decide_progress(Change::default(), (&fence, &job(10)), (9, 1), None, NOW);
    let failed = job_after(&last);
    assert!(!drops_fence(&last), "else the row would live again");
    assert_eq!(
        (failed.status, failed.done, failed.failed),
        (JobStatus::Failed, 9, 1)
    );
    assert!(decide_job_purge(&failed, &Knobs::default(), Timestamp::MAX).is_none());
    let again = job_after(&decide_job_retry(&failed).unwrap());
    assert_eq!((again.status, again.failed), (JobStatus::Running, 0));
    let last = decide_progress(Change::default(), (&fence, &again), (1, 0), None, LATER);
    assert!(drops_fence(&last));
    assert_eq!(job_after(&last).done, 10);
}

#[test]
fn the_directory_knows_the_first_fence_over_a_row() {
    let (row, _) = established();
    let mut directory = directory();
    assert!(directory.fence_over(&row).is_none());
    let (fence, job) = (service_fence(), job(1));
    directory.apply(&decide_fence(&fence, &job));
    assert_eq!(directory.fence_over(&row), Some(&fence));
    let change = Change::default().knowing_fences(&directory);
    let known = Assumption::FencesKnown(vec![JOB]);
    assert_eq!(change.assumptions(), [known]);
    directory.apply(&decide_progress(
        Change::default(),
        (&fence, &job),
        (1, 0),
        None,
        NOW,
    ));
    assert!(directory.fence_over(&row).is_none());
    assert_eq!(directory.job(&JOB).unwrap().status, JobStatus::Done);
}
