"""confluent-kafka (librdkafka) as a peer: python confluent_peer.py BOOTSTRAP."""
import os
import sys
import threading
import time

from confluent_kafka import (OFFSET_BEGINNING, TIMESTAMP_NOT_AVAILABLE, Consumer, ConsumerGroupTopicPartitions,
                             KafkaException, Producer, TopicPartition)
from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic,
                                   ResourceType)

from driver import decode, encode, serve
from flow import Flow
from steady import Steady
from transactions import Transactions
from workload import Workload

BASE = {'bootstrap.servers': sys.argv[1], 'client.id': 'confluent'}
if os.environ.get('HEADRACE_INTEROP_DEBUG'):
    BASE['debug'] = os.environ.get('HEADRACE_INTEROP_DEBUG_CONTEXTS', 'protocol,cgrp')
READ_SECONDS_MAX = 60
# A client that bootstraps anew when its only broker is gone (the default) keeps waiting for the coordinator's old
# handle, which it has ended by then: ListConsumerGroupOffsets never gets as far as a request (librdkafka's debug log).
admin = AdminClient({**BASE, 'metadata.recovery.strategy': 'none'})
producers = {}
members = {}


def wait(futures):
    return [future.result(30) for future in futures.values()]


def create_topic(request):
    topic = NewTopic(request['topic'], request['partitions'], 1, config=request['configs'])
    wait(admin.create_topics([topic]))


def delete_topic(request):
    wait(admin.delete_topics([request['topic']]))


def topics(_request):
    return list(admin.list_topics(timeout=10).topics)


def partitions(request):
    return len(admin.list_topics(request['topic'], timeout=10).topics[request['topic']].partitions)


def configs(request):
    [entries] = wait(admin.describe_configs([ConfigResource(ResourceType.TOPIC, request['topic'])]))
    return {name: entry.value for name, entry in entries.items()}


def alter_config(request):
    entry = ConfigEntry(request['name'], request['value'], incremental_operation=AlterConfigOpType.SET)
    wait(admin.incremental_alter_configs([
        ConfigResource(ResourceType.TOPIC, request['topic'], incremental_configs=[entry])]))


def producer(codec):
    if codec not in producers:
        producers[codec] = Producer({
            **BASE, 'compression.type': codec, 'enable.idempotence': True, 'acks': 'all', 'linger.ms': 20,
            'message.max.bytes': 2_000_000})
    return producers[codec]


def produce(request):
    sender = producer(request['compression'])
    failures = []
    for record in request['records']:
        sender.produce(
            request['topic'], partition=record['partition'], key=decode(record['key']), value=decode(record['value']),
            headers=[(name, decode(value)) for name, value in record['headers']], timestamp=record['timestamp'],
            on_delivery=lambda error, _message: failures.append(error) if error is not None else None)
    if sender.flush(60) != 0:
        raise RuntimeError('records are still unacknowledged after 60 s')
    if failures:
        raise KafkaException(failures[0])


def readable(message):
    kind, timestamp = message.timestamp()
    return {
        'offset': message.offset(), 'key': encode(message.key()), 'value': encode(message.value()),
        'headers': [[name, encode(value)] for name, value in message.headers() or []],
        'timestamp': -1 if kind == TIMESTAMP_NOT_AVAILABLE else timestamp}


def offset_at(request):
    consumer = Consumer({**BASE, 'group.id': 'confluent-reader'})
    try:
        [found] = consumer.offsets_for_times(
            [TopicPartition(request['topic'], request['partition'], request['timestamp'])], timeout=10)
        if found.error is not None:
            raise KafkaException(found.error)
        return found.offset if found.offset >= 0 else -1
    finally:
        consumer.close()


def read(request):
    start = request.get('from')
    if start is None:
        start = offset_at(request)
    consumer = Consumer({**BASE, 'group.id': 'confluent-reader', 'enable.auto.commit': False})
    try:
        offset = OFFSET_BEGINNING if start == 'earliest' else start
        consumer.assign([TopicPartition(request['topic'], request['partition'], offset)])
        found = []
        deadline = time.monotonic() + READ_SECONDS_MAX
        while len(found) < request['count']:
            if time.monotonic() > deadline:
                raise TimeoutError(f'{len(found)} of {request["count"]} records within {READ_SECONDS_MAX} s')
            for message in consumer.consume(request['count'] - len(found), 1):
                if message.error() is not None:
                    raise KafkaException(message.error())
                found.append(readable(message))
        return found
    finally:
        consumer.close()


class Member:
    """Commits each batch; what it has taken is what it has committed."""

    def __init__(self, request):
        self.topic = request['topic']
        self.taken = []
        self.held = []
        self.pending = []
        self.lock = threading.Lock()
        self.ended = threading.Event()
        settings = {
            **BASE, 'group.id': request['group'], 'auto.offset.reset': 'earliest', 'enable.auto.commit': False,
            'fetch.wait.max.ms': 100}
        if request.get('protocol') == 'consumer':
            settings['group.protocol'] = 'consumer'
        else:
            settings.update({
                'session.timeout.ms': 10_000, 'heartbeat.interval.ms': 500,
                'partition.assignment.strategy': request.get('strategy') or 'range'})
        if request.get('instance'):
            settings['group.instance.id'] = request['instance']
        self.cooperative = 'cooperative' in settings.get('partition.assignment.strategy', 'cooperative')
        self.consumer = Consumer(settings)
        self.consumer.subscribe([self.topic], on_assign=self.assigned, on_revoke=self.revoked, on_lost=self.lost)
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def assigned(self, consumer, given):
        mine = {each.partition for each in given}
        self.held = sorted(set(self.held) | mine) if self.cooperative else sorted(mine)
        if self.cooperative:
            consumer.incremental_assign(given)
        else:
            consumer.assign(given)

    def revoked(self, consumer, given):
        self.commit()
        gone = {each.partition for each in given}
        self.pending = [message for message in self.pending if message.partition() not in gone]
        self.held = [each for each in self.held if each not in gone]
        if self.cooperative:
            consumer.incremental_unassign(given)
        else:
            consumer.unassign()

    def lost(self, consumer, given):
        self.pending = []
        self.held = []
        if self.cooperative:
            consumer.incremental_unassign(given)
        else:
            consumer.unassign()

    def commit(self):
        if not self.pending:
            return
        ends = {message.partition(): message.offset() + 1 for message in self.pending}
        offsets = [TopicPartition(self.topic, partition, offset) for partition, offset in ends.items()]
        try:
            for each in self.consumer.commit(offsets=offsets, asynchronous=False):
                if each.error is not None:
                    raise KafkaException(each.error)
        except KafkaException as error:
            print(f'commit: {error}', file=sys.stderr)
            return
        with self.lock:
            self.taken += [
                [message.partition(), message.offset(), (message.value() or b'').decode()] for message in self.pending]
        self.pending = []

    def work(self):
        while not self.ended.is_set():
            for message in self.consumer.consume(500, 0.1):
                if message.error() is not None:
                    print(f'consume: {message.error()}', file=sys.stderr)
                else:
                    self.pending.append(message)
            self.commit()
        self.consumer.close()
        self.held = []

    def leave(self):
        self.ended.set()
        self.thread.join()

    def state(self):
        with self.lock:
            return {'assignment': list(self.held), 'taken': list(self.taken)}


def join(request):
    members[request['member']] = Member(request)


def commit(request):
    offsets = [TopicPartition(request['topic'], each['partition'], each['offset'], each['metadata'])
               for each in request['offsets']]
    consumer = Consumer({**BASE, 'group.id': request['group'], 'enable.auto.commit': False})
    try:
        for each in consumer.commit(offsets=offsets, asynchronous=False):
            if each.error is not None:
                raise KafkaException(each.error)
    finally:
        consumer.close()


def committed(request):
    [group] = wait(admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(request['group'])]))
    return [{'partition': each.partition, 'offset': each.offset, 'metadata': each.metadata or ''}
            for each in group.topic_partitions if each.topic == request['topic'] and each.offset >= 0]


flows = []


def flow_start(request):
    flows.append(Flow(BASE, request['topic'], request['partitions']))


streams = []


def steady_start(request):
    streams.append(Steady(BASE, request))


workloads = []


def workload(request):
    workloads.append(Workload(BASE, request))


serve({
    **Transactions(BASE, admin).operations(),
    'workload': workload, 'workloadState': lambda _request: workloads[-1].state(),
    'workloadStop': lambda _request: workloads[-1].stop(),
    'flowStart': flow_start, 'flowState': lambda _request: flows[-1].state(),
    'flowMissing': lambda _request: flows[-1].missing(), 'flowStop': lambda _request: flows[-1].stop(),
    'steadyStart': steady_start, 'steadyTake': lambda _request: streams[-1].take(),
    'steadyStop': lambda _request: streams[-1].stop(),
    'createTopic': create_topic, 'deleteTopic': delete_topic, 'topics': topics, 'partitions': partitions,
    'configs': configs, 'alterConfig': alter_config, 'produce': produce, 'read': read, 'offsetAt': offset_at,
    'join': join, 'member': lambda request: members[request['member']].state(),
    'leave': lambda request: members[request['member']].leave(), 'commit': commit, 'committed': committed})
