"""A stream of numbered records that runs while brokers are killed, as Flow.java: an idempotent producer with
acks=all, and a consumer that reads everything from the start and checks as it goes. Number n goes to partition n
modulo their count."""
import threading
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

CATCH_UP_SECONDS_MAX = 60
FAULTS_MAX = 20


class Flow:
    def __init__(self, base, topic, partitions):
        self.topic = topic
        self.partitions = partitions
        self.acknowledged = {}
        self.seen = {}
        self.faults = []
        self.sent = 0
        self.sending_ended = threading.Event()
        self.reading_ended = threading.Event()
        patience = {'reconnect.backoff.ms': 20, 'reconnect.backoff.max.ms': 200}
        self.producer = Producer({
            **base, **patience, 'acks': 'all', 'enable.idempotence': True, 'linger.ms': 1,
            'retry.backoff.ms': 20, 'delivery.timeout.ms': 120_000, 'request.timeout.ms': 5_000})
        self.consumer = Consumer({
            **base, **patience, 'group.id': 'flow', 'enable.auto.commit': False,
            'auto.offset.reset': 'error', 'fetch.wait.max.ms': 50})
        self.sending = threading.Thread(target=self.send)
        self.reading = threading.Thread(target=self.read)
        self.sending.start()
        self.reading.start()

    def fault(self, what):
        if len(self.faults) < FAULTS_MAX:
            self.faults.append(what)

    def send(self):
        while not self.sending_ended.is_set():
            number = self.sent
            self.sent += 1

            def delivered(error, message, number=number):
                if error is None:
                    self.acknowledged[number] = message.offset()
                else:
                    self.fault(f'{number} is not acknowledged: {error}')

            self.producer.produce(
                self.topic, partition=number % self.partitions, value=str(number), on_delivery=delivered)
            self.producer.poll(0.001)

    def read(self):
        self.consumer.assign([
            TopicPartition(self.topic, partition, OFFSET_BEGINNING) for partition in range(self.partitions)])
        last = [-1] * self.partitions
        while not self.reading_ended.is_set():
            for message in self.consumer.consume(500, 0.05):
                if message.error() is not None:
                    if not message.error().retriable():
                        self.fault(f'the consumer is told {message.error()}')
                    continue
                number, partition, offset = int(message.value()), message.partition(), message.offset()
                if number in self.seen:
                    self.fault(f'{number} is seen at {self.seen[number]} and at {offset}')
                if number <= last[partition]:
                    self.fault(f'{number} comes after {last[partition]}')
                self.seen[number] = offset
                last[partition] = number
        self.consumer.close()

    def missing(self):
        """The numbers acknowledged by now that the consumer does not see at the acknowledged offset in good time."""
        wanted = self.acknowledged.copy()
        deadline = time.monotonic() + CATCH_UP_SECONDS_MAX
        while wanted and time.monotonic() < deadline:
            wanted = {number: at for number, at in wanted.items() if self.seen.get(number) != at}
            time.sleep(0.02)
        return [f'{number} at {offset}, seen at {self.seen.get(number)}'
                for number, offset in list(wanted.items())[:FAULTS_MAX]]

    def state(self):
        return {'sent': self.sent, 'acknowledged': len(self.acknowledged), 'seen': len(self.seen),
                'faults': list(self.faults)}

    def stop(self):
        self.sending_ended.set()
        self.sending.join()
        if self.producer.flush(60) != 0:
            self.fault('records are still unacknowledged after 60 s')
        missing = self.missing()
        self.reading_ended.set()
        self.reading.join()
        return {'missing': missing, 'state': self.state()}
