use aws_sdk_dynamodbstreams::{
    error::ErrorMetadata,
    types::{
        AttributeValue, StreamRecord,
        error::{
            ExpiredIteratorException, LimitExceededException, ResourceNotFoundException, TrimmedDataAccessException,
        },
    },
};

use super::*;

fn refused<E>(error: E) -> SdkError<E, ()> {
    SdkError::service_error(error, ())
}

#[test]
fn errors_are_told_apart_by_type() {
    let get = |error| of_get_records(refused(error));
    let expired = ExpiredIteratorException::builder().build();
    assert!(matches!(get(GetRecordsError::ExpiredIteratorException(expired)), SourceError::Expired));
    let trimmed = TrimmedDataAccessException::builder().build();
    assert!(matches!(get(GetRecordsError::TrimmedDataAccessException(trimmed.clone())), SourceError::Trimmed));
    let limit = LimitExceededException::builder().build();
    assert!(matches!(get(GetRecordsError::LimitExceededException(limit)), SourceError::Throttled(_)));
    let absent = ResourceNotFoundException::builder().build();
    assert!(matches!(get(GetRecordsError::ResourceNotFoundException(absent.clone())), SourceError::NotFound(_)));

    let open = |error| of_get_shard_iterator(refused(error));
    assert!(matches!(open(GetShardIteratorError::TrimmedDataAccessException(trimmed)), SourceError::Trimmed));
    assert!(matches!(open(GetShardIteratorError::ResourceNotFoundException(absent)), SourceError::NotFound(_)));
}

#[test]
fn throttling_without_a_type_is_known_by_its_code() {
    let coded = |code: &str| {
        of_describe_stream(refused(DescribeStreamError::generic(ErrorMetadata::builder().code(code).build())))
    };
    assert!(matches!(coded("ThrottlingException"), SourceError::Throttled(_)));
    assert!(matches!(coded("AccessDeniedException"), SourceError::Unavailable(_)));
    let timed_out: SdkError<GetRecordsError, ()> = SdkError::timeout_error("too long");
    assert!(matches!(of_get_records(timed_out), SourceError::Unavailable(_)));
}

fn shard(id: &str) -> Shard {
    Shard { id: id.to_owned(), parents: Vec::new() }
}

#[test]
fn a_list_that_repeats_its_last_shard_ends() {
    let mut listing = Listing::default();
    let last = || Some("a".to_owned());
    assert_eq!(listing.add(vec![shard("a")], last()).unwrap(), last());
    assert_eq!(listing.add(vec![shard("a")], last()).unwrap(), None);
    assert_eq!(listing.shards.into_keys().collect::<Vec<_>>(), ["a"]);
}

#[test]
fn a_list_is_asked_on_until_its_last_page() {
    let mut listing = Listing::default();
    let b = Some("b".to_owned());
    assert_eq!(listing.add(vec![shard("a"), shard("b")], b.clone()).unwrap(), b);
    assert_eq!(listing.add(vec![shard("c")], None).unwrap(), None);
    assert_eq!(listing.shards.into_keys().collect::<Vec<_>>(), ["a", "b", "c"]);
}

#[test]
fn a_list_without_an_end_is_an_error() {
    let mut listing = Listing { pages: MAX_PAGES - 1, ..Listing::default() };
    assert!(listing.add(vec![shard("a")], Some("a".to_owned())).is_err());
}

fn record(kind: OperationType, sequence: &str, bytes: i64) -> SdkRecord {
    let change = StreamRecord::builder()
        .sequence_number(sequence)
        .size_bytes(bytes)
        .approximate_creation_date_time(SdkDateTime::from_secs(7))
        .new_image("stream", AttributeValue::S("user#1".to_owned()))
        .build();
    SdkRecord::builder().event_name(kind).dynamodb(change).build()
}

#[test]
fn only_insertions_are_handed_on_but_all_are_read() {
    let records = vec![record(OperationType::Insert, "1", 10), record(OperationType::Remove, "2", 10)];
    let page = page_from(records, Some("next".to_owned())).unwrap();
    assert_eq!(page.records.iter().map(|record| record.sequence.as_str()).collect::<Vec<_>>(), ["1"]);
    assert_eq!((page.ignored, page.full), (1, false));
    assert_eq!(page.last, DateTime::from_timestamp(7, 0).map(|created| ("2".to_owned(), created)));
}

#[test]
fn an_insertion_without_an_image_is_an_error_and_not_skipped() {
    let mut bare = record(OperationType::Insert, "1", 10);
    bare.dynamodb.as_mut().unwrap().new_image = None;
    assert!(matches!(page_from(vec![bare], None), Err(SourceError::Incomplete("a new image"))));
}

#[test]
fn a_page_is_full_by_number_or_by_size() {
    let records = |number: usize, bytes| vec![record(OperationType::Insert, "1", bytes); number];
    let full = |number, bytes| page_from(records(number, bytes), None).unwrap().full;
    assert!(full(1000, 1));
    assert!(full(7, 100_000));
    assert!(!full(999, 100));
    assert!(!full(0, 0));
}
