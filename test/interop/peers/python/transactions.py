"""Transactions of confluent-kafka step by step, as Transactions.java, and pipes, as Pipe.java."""
import sys
import threading
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, IsolationLevel, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import OffsetSpec

CALL_SECONDS_MAX = 30
READ_SECONDS_MAX = 60
PIPED_RECORDS_MAX = 20


class Transactions:
    def __init__(self, base, admin):
        self.base = base
        self.admin = admin
        self.producers = {}
        self.pipes = {}

    def operations(self):
        return {
            'txnOpen': self.open, 'txnSend': self.send, 'txnOffsets': self.offsets,
            'txnBegin': lambda request: self.of(request).begin_transaction(),
            'txnCommit': lambda request: self.of(request).commit_transaction(CALL_SECONDS_MAX),
            'txnAbort': lambda request: self.of(request).abort_transaction(CALL_SECONDS_MAX),
            # Without an end of what is open: as if the process were gone.
            'txnLeave': lambda request: self.producers.pop(request['producer']) and None,
            'ends': self.ends, 'readAll': self.read_all,
            'pipeStart': self.pipe_start, 'pipeState': lambda request: self.pipes[request['pipe']].state(),
            'pipeStop': lambda request: self.pipes[request['pipe']].stop()}

    def of(self, request):
        return self.producers[request['producer']]

    def open(self, request):
        producer = Producer({
            **self.base, 'transactional.id': request['transactionalId'],
            'transaction.timeout.ms': request['timeoutMs'], 'linger.ms': 0})
        self.producers[request['producer']] = producer
        producer.init_transactions(CALL_SECONDS_MAX)

    def send(self, request):
        """Sends texts and waits for the answers; answers with the offsets."""
        return produce(self.of(request), [
            (request['topic'], request['partition'], None, value.encode()) for value in request['values']])

    def offsets(self, request):
        consumer = Consumer({**self.base, 'group.id': request['group']})
        try:
            self.of(request).send_offsets_to_transaction(
                [TopicPartition(request['topic'], request['partition'], request['offset'])],
                consumer.consumer_group_metadata(), CALL_SECONDS_MAX)
        finally:
            consumer.close()

    def ends(self, request):
        committed = request['isolation'] == 'read_committed'
        level = IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED
        wanted = {partition_of(key): OffsetSpec.latest() for key in request['keys']}
        found = self.admin.list_offsets(wanted, isolation_level=level, request_timeout=CALL_SECONDS_MAX)
        return {f'{each.topic}-{each.partition}': future.result(CALL_SECONDS_MAX).offset
                for each, future in found.items()}

    def read_all(self, request):
        """Offset, value and key of every record up to the end under an isolation level, by partition."""
        consumer = Consumer({
            **self.base, 'group.id': 'unused', 'enable.auto.commit': False, 'enable.partition.eof': True,
            'isolation.level': request['isolation'], 'fetch.wait.max.ms': 100})
        try:
            waiting = set(request['keys'])
            consumer.assign([partition_of(key, OFFSET_BEGINNING) for key in waiting])
            found = {}
            deadline = time.monotonic() + READ_SECONDS_MAX
            while waiting:
                if time.monotonic() > deadline:
                    raise TimeoutError(f'not at the end of {waiting}')
                for message in consumer.consume(500, 0.1):
                    key = f'{message.topic()}-{message.partition()}'
                    if message.error() is None:
                        found.setdefault(key, []).append(
                            [message.offset(), message.value().decode(), (message.key() or b'').decode()])
                    elif message.error().code() == KafkaError._PARTITION_EOF:
                        waiting.discard(key)
                    else:
                        raise KafkaException(message.error())
            return found
        finally:
            consumer.close()

    def pipe_start(self, request):
        self.pipes[request['pipe']] = Pipe(self.base, request)


class Pipe:
    """Moves what comes into one topic to another: each transaction holds some outputs and the offsets of their inputs."""

    def __init__(self, base, request):
        self.base = base
        self.request = request
        self.committed = 0
        self.aborted = 0
        self.turns = 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def work(self):
        while not self.ended.is_set():
            try:
                self.live()
            except (KafkaException, TimeoutError) as error:
                print(f'pipe: {error}', file=sys.stderr)

    def live(self):
        """With clients of its own: after an abort the next life takes up from what is committed."""
        request = self.request
        # A client that bootstraps anew (the default) may wait for a coordinator's old handle for ever: confluent_peer.py.
        base = {**self.base, 'metadata.recovery.strategy': 'none', 'reconnect.backoff.max.ms': 200}
        producer = Producer({
            **base, 'transactional.id': request['transactionalId'],
            'transaction.timeout.ms': request['timeoutMs'], 'linger.ms': 0})
        producer.init_transactions(CALL_SECONDS_MAX)
        consumer = Consumer({
            **base, 'group.id': request['group'], 'isolation.level': 'read_committed', 'fetch.wait.max.ms': 100,
            'enable.auto.commit': False, 'auto.offset.reset': 'earliest', **membership(request)})
        consumer.subscribe([request['input']])
        try:
            while not self.ended.is_set():
                messages = [each for each in consumer.consume(PIPED_RECORDS_MAX, 0.1) if each.error() is None]
                if messages and not self.move(producer, consumer, messages):
                    return
        finally:
            consumer.close()

    def move(self, producer, consumer, messages):
        """Writes one output for each record, and ends the transaction; false when it was aborted."""
        self.turns += 1
        ends = {}
        for each in messages:
            ends[each.partition()] = each.offset() + 1
        try:
            producer.begin_transaction()
            produce(producer, [
                (self.request['output'], each.partition(), each.key(), b'piped ' + each.value()) for each in messages])
            producer.send_offsets_to_transaction(
                [TopicPartition(self.request['input'], partition, offset) for partition, offset in ends.items()],
                consumer.consumer_group_metadata(), CALL_SECONDS_MAX)
            if self.request['abortEvery'] == 0 or self.turns % self.request['abortEvery'] != 0:
                producer.commit_transaction(CALL_SECONDS_MAX)
                self.committed += 1
                return True
        except (KafkaException, TimeoutError) as error:
            print(f'move: {error}', file=sys.stderr)
        producer.abort_transaction(CALL_SECONDS_MAX)
        self.aborted += 1
        return False

    def state(self):
        return {'committed': self.committed, 'aborted': self.aborted}

    def stop(self):
        self.ended.set()
        self.thread.join()
        return self.state()


def membership(request):
    if request.get('protocol') == 'consumer':
        return {'group.protocol': 'consumer'}
    return {'session.timeout.ms': 6_000, 'heartbeat.interval.ms': 300}


def produce(producer, records):
    """(topic, partition, key, value): answers with their offsets once all are acknowledged."""
    offsets = [None] * len(records)
    failures = []

    def delivered(index):
        def note(error, message):
            if error is not None:
                failures.append(error)
            else:
                offsets[index] = message.offset()
        return note

    for index, (topic, partition, key, value) in enumerate(records):
        producer.produce(topic, partition=partition, key=key, value=value, on_delivery=delivered(index))
    waiting = producer.flush(CALL_SECONDS_MAX)
    if failures:
        raise KafkaException(failures[0])
    if waiting != 0:
        raise TimeoutError(f'{waiting} records are still unacknowledged after {CALL_SECONDS_MAX} s')
    return offsets


def partition_of(key, *offset):
    topic, _, partition = key.rpartition('-')
    return TopicPartition(topic, int(partition), *offset)
