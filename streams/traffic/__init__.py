"""Traffic in and out of the flow: readers of stored traces, the simulator, and the sender to Kafka.

Everything here makes or takes `Batch`es of encoded events; nothing here scores anything.
"""
