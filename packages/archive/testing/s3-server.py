"""OpenStack Swift with its S3 API in one process, without its daemons: a real object store for tests.

The argument is an empty folder. Prints the port of the S3 API. Needs Debian's package python3-swift.
"""
import os
import sys
from array import array

import eventlet

eventlet.monkey_patch(os=False)

from eventlet import wsgi
from swift.common import constraints, storage_policy, utils
from swift.common.ring import RingData
from swift.common.wsgi import loadapp

folder = sys.argv[1]
os.makedirs(os.path.join(folder, 'devices', 'disk'))


def write(name, text):
    file = os.path.join(folder, name)
    with open(file, 'w') as opened:
        opened.write(text)
    return file


# Each module has its own path of this file, by default under /etc.
swift_conf = write('swift.conf', '''
[swift-hash]
swift_hash_path_prefix = tests
swift_hash_path_suffix = tests
''')
for module in (utils, constraints, storage_policy):
    module.SWIFT_CONF_FILE = swift_conf
utils.validate_hash_conf()
storage_policy.reload_storage_policies()

# The servers of accounts, buckets and objects: one disk, and one copy of each.
for kind in ('account', 'container', 'object'):
    socket = eventlet.listen(('127.0.0.1', 0))
    port = socket.getsockname()[1]
    disk = {
        'id': 0, 'region': 1, 'zone': 1, 'weight': 1.0, 'device': 'disk',
        'ip': '127.0.0.1', 'port': port, 'replication_ip': '127.0.0.1', 'replication_port': port,
    }
    RingData([array('H', [0, 0])], [disk], 31).save(os.path.join(folder, kind + '.ring.gz'))
    server = loadapp(write(kind + '.conf', f'''
[DEFAULT]
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
log_address = /nonexistent
[pipeline:main]
pipeline = app
[app:app]
use = egg:swift#{kind}
'''))
    eventlet.spawn(wsgi.server, socket, server, log_output=False)

proxy = loadapp(write('proxy.conf', f'''
[DEFAULT]
swift_dir = {folder}
log_address = /nonexistent
[pipeline:main]
pipeline = catch_errors cache s3api tempauth slo versioned_writes symlink proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:1
[filter:s3api]
use = egg:swift#s3api
max_bucket_listing = 3
[filter:tempauth]
use = egg:swift#tempauth
user_tests_writer = secret .admin
user_tests_stranger = secret
[filter:slo]
use = egg:swift#slo
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_object_versioning = true
[filter:symlink]
use = egg:swift#symlink
'''))
socket = eventlet.listen(('127.0.0.1', 0))
print(socket.getsockname()[1], flush=True)
wsgi.server(socket, proxy, log_output=False)
