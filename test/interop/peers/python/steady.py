"""A stream of records at fixed times, as Steady.java: how long each took from when it was due until it was
acknowledged. Everything but acks=all and idempotence is as the client comes."""
import threading
import time

from confluent_kafka import Producer

FAULTS_MAX = 20


class Steady:
    def __init__(self, base, request):
        self.topic = request['topic']
        self.partitions = request['partitions']
        self.interval = 1 / request['recordsPerSecond']
        self.value = bytes(request['valueBytes'])
        self.latencies_ms = []
        self.faults = []
        self.failed = 0
        self.ended = threading.Event()
        self.producer = Producer({**base, 'acks': 'all', 'enable.idempotence': True})
        self.thread = threading.Thread(target=self.send)
        self.thread.start()

    def send(self):
        begin = time.monotonic()
        number = 0
        while not self.ended.is_set():
            due = begin + number * self.interval
            while (left := due - time.monotonic()) > 0:
                self.producer.poll(left)

            def delivered(error, _message, due=due):
                if error is None:
                    self.latencies_ms.append((time.monotonic() - due) * 1000)
                else:
                    self.failed += 1
                    if len(self.faults) < FAULTS_MAX:
                        self.faults.append(str(error))

            self.producer.produce(
                self.topic, partition=number % self.partitions, value=self.value, on_delivery=delivered)
            number += 1

    def take(self):
        """What there was since the last time."""
        taken, self.latencies_ms = self.latencies_ms, []
        return {'latenciesMs': taken, 'failed': self.failed, 'faults': list(self.faults)}

    def stop(self):
        self.ended.set()
        self.thread.join()
        self.failed += self.producer.flush(120)
        return self.take()
