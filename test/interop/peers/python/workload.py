"""Clients of the transaction workload, as Workload.java: threads that write in transactions, or move records with their
offsets in a transaction, and note what they did and were told as lines of a history."""
import json
import random
import sys
import threading
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

JOIN_SECONDS_MAX = 90
CALL_SECONDS_MAX = 15
MOVED_RECORDS_MAX = 20


class GaveUp(Exception):
    """Not everything was acknowledged in time."""


def now_us():
    return time.monotonic_ns() // 1_000


def split(key):
    topic, _, partition = key.rpartition('-')
    return topic, int(partition)


class Workload:
    def __init__(self, base, request):
        self.base = {**base, 'reconnect.backoff.ms': 20, 'reconnect.backoff.max.ms': 200}
        self.request = request
        self.name = request['name']
        self.file = open(request['file'], 'a', encoding='utf8')
        self.lock = threading.Lock()
        self.last_value = request['firstValue']
        self.last_client = 0
        self.counts = {}
        self.ended = threading.Event()
        self.threads = []
        roles = [
            ('writer', request['writers'], self.write), ('mover', request['movers'], self.move),
            ('member', request.get('members', 0), self.belong)]
        roles += [(f'sender-{key}', 1, self.sender(key)) for key in request.get('flows', [])]
        for role, count, body in roles:
            for index in range(count):
                process = f'{self.name}-{role}-{index}'
                chance = random.Random(f'{request["seed"]} {process}')
                thread = threading.Thread(target=self.live, args=(process, chance, body))
                self.threads.append(thread)
                thread.start()

    def state(self):
        with self.lock:
            return dict(self.counts)

    def stop(self):
        self.ended.set()
        deadline = time.monotonic() + JOIN_SECONDS_MAX
        for thread in self.threads:
            thread.join(max(0.1, deadline - time.monotonic()))
        stuck = [thread.name for thread in self.threads if thread.is_alive()]
        return {'counts': self.state(), 'stuck': stuck}

    def live(self, process, chance, body):
        while not self.ended.is_set():
            try:
                body(process, chance)
            except (KafkaException, GaveUp) as error:
                self.count(f'life ended: {name_of(error)}')
                print(f'{process}: {error}', file=sys.stderr)
                time.sleep(0.1)

    # --- What a process does

    def write(self, process, chance):
        transactional_id = chance.choice(self.request['ids'])
        producer = self.producer(transactional_id, chance)
        epoch = self.initialise(process, producer, transactional_id)
        keys = chance.sample(self.request['inputs'], chance.randint(1, len(self.request['inputs'])))
        consumer = self.consumer('unused')
        try:
            positions = {}
            for key in keys:
                positions[key] = consumer.get_watermark_offsets(TopicPartition(*split(key)), CALL_SECONDS_MAX)[1]
            reader = self.assign(process, consumer, positions)
            for _ in range(chance.randint(1, 40)):
                about = {'f': 'txn', 'id': transactional_id, 'producer': epoch, 'consumer': reader}
                if self.ended.is_set() or not self.transact(process, about, (producer, consumer), chance):
                    return
                self.pause(chance)
        finally:
            consumer.close()

    def transact(self, process, about, clients, chance):
        producer, consumer = clients
        plan = []
        for _ in range(chance.randint(1, 4)):
            if chance.random() < 0.25:
                plan.append({'poll': None})
            else:
                plan.append({'send': [chance.choice(self.request['inputs']), self.value()]})
        self.note(process, 'invoke', {**about, 'steps': plan})
        done = []
        try:
            producer.begin_transaction()
            for step in plan:
                if 'send' in step:
                    done.append(send(producer, step['send']))
                else:
                    done.append({'poll': poll(consumer, 0.005)})
            acknowledged(producer, done)
        except (KafkaException, GaveUp) as error:
            return self.give_up(process, about, producer, (done, error))
        return self.finish(process, about, producer, (done, chance.random()))

    def move(self, process, chance):
        key = chance.choice(self.request['moved'])
        transactional_id = f'mover-{key}'
        producer = self.producer(transactional_id, chance)
        epoch = self.initialise(process, producer, transactional_id)
        consumer = self.consumer('movers')
        try:
            since = now_us()
            [found] = consumer.committed([TopicPartition(*split(key))], CALL_SECONDS_MAX)
            if found.error is not None:
                raise KafkaException(found.error)
            position = max(0, found.offset)
            self.note(process, 'ok', {
                'f': 'committed', 'group': 'movers', 'sinceUs': since, 'offsets': {key: position}})
            reader = self.assign(process, consumer, {key: position})
            for _ in range(chance.randint(5, 40)):
                if self.ended.is_set():
                    return
                self.pause(chance)
                polled = poll(consumer, 0.2)
                if not polled:
                    continue
                after = polled[key][-1][0] + 1
                about = {
                    'f': 'txn', 'id': transactional_id, 'producer': epoch, 'consumer': reader,
                    'offsets': {'group': 'movers', 'ranges': {key: [position, after]}}}
                # After an abort its consumer would have to go back: it begins a new life instead.
                if not self.move_one(process, about, (producer, consumer), (key, polled, chance)):
                    return
                position = after
        finally:
            consumer.close()

    def move_one(self, process, about, clients, moved):
        producer, consumer = clients
        key, polled, chance = moved
        outputs = [{'send': [chance.choice(self.request['outputs']), self.value()]} for _ in polled[key]]
        self.note(process, 'invoke', {**about, 'steps': [{'poll': polled}, *outputs]})
        done = [{'poll': polled}]
        offsets = [TopicPartition(*split(key), about['offsets']['ranges'][key][1])]
        try:
            producer.begin_transaction()
            for output in outputs:
                done.append(send(producer, output['send']))
            acknowledged(producer, done)
            producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), CALL_SECONDS_MAX)
        except (KafkaException, GaveUp) as error:
            self.give_up(process, about, producer, (done, error))
            return False
        self.count('moved')
        fate = chance.random()
        return self.finish(process, about, producer, (done, fate)) and fate >= 0.15

    def sender(self, key):
        """One life of an idempotent producer without transactions: a few values to one key, and the answers to them."""
        def live(process, chance):
            producer = Producer({
                **self.base, 'client.id': self.client(), 'enable.idempotence': True, 'linger.ms': chance.randint(0, 2),
                'delivery.timeout.ms': 120_000, 'request.timeout.ms': 2_000, 'socket.timeout.ms': 4_000,
                'retry.backoff.ms': 20})
            for _ in range(chance.randint(200, 1_200)):
                if self.ended.is_set():
                    return
                plan = [{'send': [key, self.value()]} for _ in range(chance.randint(1, 4))]
                self.note(process, 'invoke', {'f': 'send', 'steps': plan})
                done = []
                try:
                    for step in plan:
                        done.append(send(producer, step['send']))
                    acknowledged(producer, done, 125)
                except (KafkaException, GaveUp) as error:
                    self.count(f'plain send: {name_of(error)}')
                    self.note(process, 'info', {'f': 'send', 'steps': done, 'error': str(error)})
                    return
                self.note(process, 'ok', {'f': 'send', 'steps': done})
                self.count('sent plainly')
                self.pause(chance)
        return live

    def belong(self, process, chance):
        """One life of a member of a group: reads what is assigned to it, and commits what it has read."""
        consumer = Consumer({
            **self.base, 'client.id': self.client(), 'group.id': 'members', 'isolation.level': 'read_committed',
            'enable.auto.commit': False, 'auto.offset.reset': 'earliest', 'fetch.wait.max.ms': 50,
            'session.timeout.ms': 6_000, 'heartbeat.interval.ms': 1_000, 'socket.timeout.ms': 4_000,
            'partition.assignment.strategy': 'range,roundrobin'})
        reader = f'{process}-{self.client()}'

        def assigned(_consumer, partitions):
            found = consumer.committed(partitions, CALL_SECONDS_MAX)
            positions = {}
            for one in found:
                if one.error is not None:
                    raise KafkaException(one.error)
                one.offset = max(0, one.offset)
                positions[f'{one.topic}-{one.partition}'] = one.offset
            consumer.assign(found)
            self.note(process, 'ok', {
                'f': 'assign', 'consumer': reader, 'isolation': 'read_committed', 'positions': positions})

        try:
            consumer.subscribe(sorted({split(key)[0] for key in self.request['flows']}), on_assign=assigned)
            for _ in range(chance.randint(100, 2_000)):
                if self.ended.is_set():
                    return
                polled = poll(consumer, 0.1, 100)
                if polled:
                    self.note(process, 'ok', {'f': 'poll', 'consumer': reader, 'poll': polled})
                    self.commit(process, consumer, polled)
                self.pause(chance)
        finally:
            consumer.close()

    def commit(self, process, consumer, polled):
        """Everything up to the last record of each key."""
        offsets = {key: records[-1][0] + 1 for key, records in polled.items()}
        about = {'f': 'commit', 'group': 'members', 'sinceUs': now_us(), 'offsets': offsets}
        try:
            answers = consumer.commit(
                offsets=[TopicPartition(*split(key), offset) for key, offset in offsets.items()], asynchronous=False)
            for one in answers:
                if one.error is not None:
                    raise KafkaException(one.error)
            self.note(process, 'ok', about)
            self.count('committed as a member')
        except KafkaException as error:
            self.count(f'member commit: {name_of(error)}')
            self.note(process, 'info', {**about, 'error': str(error)})
            raise

    def finish(self, process, about, producer, ended):
        """Commits, in some cases aborts or just leaves it open; False when this producer is at its end."""
        done, fate = ended
        if fate < 0.02:
            self.count('left open')
            self.note(process, 'fail', {**about, 'steps': done, 'error': 'left open'})
            return False
        if fate < 0.15:
            try:
                producer.abort_transaction(CALL_SECONDS_MAX)
                self.note(process, 'fail', {**about, 'steps': done})
                self.count('aborted')
                return True
            except KafkaException as error:
                self.count(f'abort: {name_of(error)}')
                self.note(process, 'fail', {**about, 'steps': done, 'error': str(error)})
                return False
        commit_at = now_us()
        try:
            producer.commit_transaction(CALL_SECONDS_MAX)
            self.note(process, 'ok', {**about, 'steps': done, 'commitAtUs': commit_at})
            self.count('committed')
            return True
        except KafkaException as error:
            self.count(f'commit: {name_of(error)}')
            self.note(process, 'info', {**about, 'steps': done, 'commitAtUs': commit_at, 'error': str(error)})
            return False

    def give_up(self, process, about, producer, failed):
        """Nobody has asked to commit it, so it is not committed, whatever the answer to the abort."""
        done, error = failed
        self.count(f'send: {name_of(error)}')
        usable = True
        try:
            producer.abort_transaction(CALL_SECONDS_MAX)
        except KafkaException:
            usable = False
        self.note(process, 'fail', {**about, 'steps': done, 'error': str(error)})
        return usable

    # --- Clients and notes

    def producer(self, transactional_id, chance):
        return Producer({
            **self.base, 'client.id': self.client(), 'transactional.id': transactional_id,
            'transaction.timeout.ms': chance.choice(self.request['timeoutsMs']), 'linger.ms': chance.randint(0, 2),
            # librdkafka wants delivery to time out within the transaction's own timeout.
            'delivery.timeout.ms': 2_400, 'request.timeout.ms': 2_000, 'socket.timeout.ms': 2_000,
            'retry.backoff.ms': 20})

    def consumer(self, group):
        return Consumer({
            **self.base, 'client.id': self.client(), 'group.id': group, 'isolation.level': 'read_committed',
            'enable.auto.commit': False, 'auto.offset.reset': 'error', 'fetch.wait.max.ms': 50,
            'socket.timeout.ms': 4_000})

    def client(self):
        with self.lock:
            self.last_client += 1
            return f'{self.name}-{self.last_client}'

    def value(self):
        with self.lock:
            self.last_value += 1
            return self.last_value

    def initialise(self, process, producer, transactional_id):
        about = {'f': 'init', 'id': transactional_id, 'producer': f'{transactional_id}#{process}-{self.client()}'}
        self.note(process, 'invoke', about)
        producer.init_transactions(CALL_SECONDS_MAX)
        self.note(process, 'ok', about)
        return about['producer']

    def assign(self, process, consumer, positions):
        consumer.assign([TopicPartition(*split(key), offset) for key, offset in positions.items()])
        reader = f'{process}-{self.client()}'
        self.note(process, 'ok', {
            'f': 'assign', 'consumer': reader, 'isolation': 'read_committed', 'positions': positions})
        return reader

    def note(self, process, kind, fields):
        with self.lock:
            line = {'atUs': now_us(), 'process': process, 'type': kind, **fields}
            self.file.write(json.dumps(line) + '\n')
            self.file.flush()

    def count(self, what):
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + 1

    def pause(self, chance):
        time.sleep(chance.uniform(0, 2 * self.request['pauseMs']) / 1_000)


def name_of(error):
    return error.args[0].name() if isinstance(error, KafkaException) else type(error).__name__


def poll(consumer, seconds, count_max=MOVED_RECORDS_MAX):
    found = {}
    for message in consumer.consume(count_max, seconds):
        if message.error() is not None:
            raise KafkaException(message.error())
        key = f'{message.topic()}-{message.partition()}'
        found.setdefault(key, []).append([message.offset(), int(message.value())])
    return found


def send(producer, step):
    """The step, which gets its offset once that is acknowledged."""
    key, value = step
    topic, partition = split(key)
    sent = {'send': [key, value]}

    def delivered(error, message):
        if error is None:
            sent['send'].append(message.offset())

    producer.produce(topic, partition=partition, value=str(value).encode(), on_delivery=delivered)
    return sent


def acknowledged(producer, steps, seconds_max=CALL_SECONDS_MAX):
    producer.flush(seconds_max)
    if any('send' in step and len(step['send']) == 2 for step in steps):
        raise GaveUp('not everything is acknowledged')
