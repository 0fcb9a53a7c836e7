"""confluent-kafka writes records and prints what it reads back: python security.py SETTINGS TOPIC COUNT."""
import json
import sys

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

settings, topic, count = json.loads(sys.argv[1]), sys.argv[2], int(sys.argv[3])


def failed(error):
    raise KafkaException(error)


def delivered(error, _message):
    if error is not None:
        failed(error)


base = {**settings, 'error_cb': lambda error: failed(error) if error.name() == '_AUTHENTICATION' else None}
producer = Producer({**base, 'message.timeout.ms': 3000})
for number in range(count):
    producer.produce(topic, f'record {number}', partition=0, on_delivery=delivered)
if producer.flush(5) > 0:
    sys.exit('not let in')
consumer = Consumer({**base, 'group.id': topic})
consumer.assign([TopicPartition(topic, 0, 0)])
for _ in range(count):
    message = consumer.poll(15)
    if message is None or message.error():
        sys.exit('nothing to read')
    print(message.value().decode())
