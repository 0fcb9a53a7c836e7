"""aiokafka as a peer: python aiokafka_peer.py BOOTSTRAP. One event loop in a thread of its own does all the work."""
import asyncio
import logging
import os
import sys
import threading

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import KafkaError, for_code
from aiokafka.structs import OffsetAndMetadata

from driver import decode, encode, serve

BOOTSTRAP = sys.argv[1]
READ_SECONDS_MAX = 60
STRATEGIES = {'range': RangePartitionAssignor, 'sticky': StickyPartitionAssignor}
if os.environ.get('HEADRACE_INTEROP_DEBUG'):
    logging.basicConfig(level=logging.DEBUG)
loop = asyncio.new_event_loop()
threading.Thread(target=loop.run_forever, daemon=True).start()
producers = {}
members = {}
state = {}


def check(response):
    """Admin answers carry their codes inside; the library leaves them to its user."""
    for field in ('topic_errors', 'topic_error_codes', 'resources'):
        for entry in getattr(response, field, []):
            code = entry[0] if field == 'resources' else entry[1]
            if code != 0:
                raise for_code(code)(str(entry))
    return response


async def admin():
    if 'admin' not in state:
        state['admin'] = AIOKafkaAdminClient(bootstrap_servers=BOOTSTRAP, client_id='aiokafka')
        await state['admin'].start()
    return state['admin']


async def create_topic(request):
    topic = NewTopic(request['topic'], request['partitions'], 1, topic_configs=request['configs'])
    check(await (await admin()).create_topics([topic]))


async def delete_topic(request):
    check(await (await admin()).delete_topics([request['topic']]))


async def topics(_request):
    return await (await admin()).list_topics()


async def partitions(request):
    [described] = await (await admin()).describe_topics([request['topic']])
    return len(described['partitions'])


async def configs(request):
    answers = await (await admin()).describe_configs([ConfigResource(ConfigResourceType.TOPIC, request['topic'])])
    [resource] = answers[0].resources
    return {entry[0]: entry[1] for entry in resource[4]}


async def alter_config(request):
    change = ConfigResource(ConfigResourceType.TOPIC, request['topic'], {request['name']: request['value']})
    for response in await (await admin()).alter_configs([change]):
        check(response)


async def producer(codec):
    if codec not in producers:
        producers[codec] = AIOKafkaProducer(
            bootstrap_servers=BOOTSTRAP, client_id='aiokafka', acks='all', enable_idempotence=True, linger_ms=20,
            compression_type=None if codec == 'none' else codec, max_request_size=2_000_000)
        await producers[codec].start()
    return producers[codec]


async def produce(request):
    sender = await producer(request['compression'])
    futures = [
        await sender.send(
            request['topic'], partition=record['partition'], key=decode(record['key']), value=decode(record['value']),
            headers=[(name, decode(value)) for name, value in record['headers']], timestamp_ms=record['timestamp'])
        for record in request['records']]
    await asyncio.gather(*futures)


def readable(message):
    return {
        'offset': message.offset, 'key': encode(message.key), 'value': encode(message.value),
        'headers': [[name, encode(value)] for name, value in message.headers], 'timestamp': message.timestamp}


async def reader():
    consumer = AIOKafkaConsumer(
        bootstrap_servers=BOOTSTRAP, client_id='aiokafka', enable_auto_commit=False, fetch_max_wait_ms=100)
    await consumer.start()
    return consumer


async def offset_at(request):
    consumer = await reader()
    try:
        partition = TopicPartition(request['topic'], request['partition'])
        found = (await consumer.offsets_for_times({partition: request['timestamp']}))[partition]
        return -1 if found is None else found.offset
    finally:
        await consumer.stop()


async def read(request):
    start = request['from'] if 'from' in request else await offset_at(request)
    consumer = await reader()
    try:
        partition = TopicPartition(request['topic'], request['partition'])
        consumer.assign([partition])
        if start == 'earliest':
            await consumer.seek_to_beginning(partition)
        else:
            consumer.seek(partition, start)
        found = []
        async with asyncio.timeout(READ_SECONDS_MAX):
            while len(found) < request['count']:
                message = await consumer.getone()
                found.append(readable(message))
        return found
    finally:
        await consumer.stop()


class Member(ConsumerRebalanceListener):
    """Commits each batch; what it has taken is what it has committed."""

    def __init__(self, request):
        self.topic = request['topic']
        self.taken = []
        self.ended = asyncio.Event()
        self.idle = asyncio.Lock()
        self.consumer = AIOKafkaConsumer(
            bootstrap_servers=BOOTSTRAP, client_id='aiokafka', group_id=request['group'],
            group_instance_id=request.get('instance'), auto_offset_reset='earliest', enable_auto_commit=False,
            partition_assignment_strategy=[STRATEGIES[request.get('strategy') or 'range']], session_timeout_ms=10_000, heartbeat_interval_ms=500, fetch_max_wait_ms=100)

    async def start(self):
        self.consumer.subscribe([self.topic], listener=self)
        await self.consumer.start()
        self.task = asyncio.create_task(self.work())

    async def on_partitions_revoked(self, _revoked):
        # a batch in hand is committed while this member still owns its partitions
        async with self.idle:
            pass

    async def on_partitions_assigned(self, _assigned):
        pass

    async def work(self):
        while not self.ended.is_set():
            async with self.idle:
                batches = await self.consumer.getmany(timeout_ms=50)
                if batches:
                    await self.take(batches)
            await asyncio.sleep(0.01)

    async def take(self, batches):
        ends = {partition: messages[-1].offset + 1 for partition, messages in batches.items()}
        try:
            await self.consumer.commit(ends)
        except KafkaError as error:
            print(f'commit: {error!r}', file=sys.stderr)
            return
        for messages in batches.values():
            self.taken += [[each.partition, each.offset, (each.value or b'').decode()] for each in messages]

    async def leave(self):
        self.ended.set()
        await self.task
        await self.consumer.stop()

    def state(self):
        held = sorted(each.partition for each in self.consumer.assignment())
        return {'assignment': [] if self.ended.is_set() else held, 'taken': list(self.taken)}


async def join(request):
    members[request['member']] = Member(request)
    await members[request['member']].start()


async def member(request):
    return members[request['member']].state()


async def leave(request):
    await members[request['member']].leave()


async def commit(request):
    consumer = AIOKafkaConsumer(bootstrap_servers=BOOTSTRAP, group_id=request['group'], enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign([TopicPartition(request['topic'], each['partition']) for each in request['offsets']])
        await consumer.commit({
            TopicPartition(request['topic'], each['partition']): OffsetAndMetadata(each['offset'], each['metadata'])
            for each in request['offsets']})
    finally:
        await consumer.stop()


async def committed(request):
    found = await (await admin()).list_consumer_group_offsets(request['group'])
    return [{'partition': partition.partition, 'offset': each.offset, 'metadata': each.metadata}
            for partition, each in found.items() if partition.topic == request['topic'] and each.offset >= 0]


def blocking(operation):
    return lambda request: asyncio.run_coroutine_threadsafe(operation(request), loop).result()


async def finish():
    for sender in producers.values():
        await sender.stop()
    if 'admin' in state:
        await state['admin'].close()


serve({name: blocking(operation) for name, operation in {
    'createTopic': create_topic, 'deleteTopic': delete_topic, 'topics': topics, 'partitions': partitions,
    'configs': configs, 'alterConfig': alter_config, 'produce': produce, 'read': read, 'offsetAt': offset_at,
    'join': join, 'member': member, 'leave': leave, 'commit': commit, 'committed': committed}.items()})
asyncio.run_coroutine_threadsafe(finish(), loop).result(10)
