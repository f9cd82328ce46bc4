/* SPDX-License-Identifier: MIT */
/* The rows are whole files, or a service named web and what comes after it. */
#include "backends/compose/compose_policy.h"
#include "base/limits.h"
#include "base/yaml_write.h"
#include "tests/unit/unit.h"

#include <string.h>

#define TEXT_MAX 8192
#define MOUNT    "/var/lib/berth/lab/c1/mount"

static const struct berth_compose_policy owners = {.gpus = 2};
static const struct berth_compose_policy rootless = {.is_user_fixed = true};
static const struct berth_compose_policy normal = {.project = "c1", .mount = MOUNT};

static int check(const struct berth_compose_policy *policy, const char *text,
                 struct berth_error *err)
{
    BERTH_CLEANUP(json) cJSON *file = NULL;
    int rc = berth_compose_policy_read(text, strlen(text), &file, err);
    return rc < 0 ? rc : berth_compose_policy_check(policy, file, err);
}

/* {image: x, MORE} */
static int check_service(const struct berth_compose_policy *policy, const char *more,
                         struct berth_error *err)
{
    char text[TEXT_MAX];
    (void)snprintf(text, sizeof(text), "services: {web: {image: x, %s}, db: {image: y}}", more);
    return check(policy, text, err);
}

START_TEST(what_ordinary_files_say_is_allowed)
{
    static const char *const files[] = {
        "services:\n"
        "  web:\n"
        "    image: nginx:1.25\n"
        "    ports: ['8080:80', 127.0.0.1:5000:5000/udp, 9000, '3000-3001:3000-3001']\n"
        "    volumes: ['./conf/nginx.conf:/etc/nginx/nginx.conf:ro', './html:/html', cache:/c,"
        " /tmp/x]\n"
        "    depends_on: [db]\n"
        "    restart: unless-stopped\n"
        "    environment: {A: b, N: 1, T: true, E: ''}\n"
        "  db:\n"
        "    image: postgres\n"
        "    environment: [POSTGRES_PASSWORD=x, 'PRICE=5$$']\n"
        "    volumes: ['data:/var/lib/postgresql/data']\n"
        "    healthcheck: {test: [CMD, pg_isready], interval: 5s, timeout: 1m30s, retries: 5}\n"
        "volumes: {data: , cache: {driver: local, labels: {a: b}}}\n",
        "version: '3.8'\nname: mine\nservices: {a: {image: x}}\n",
        "x-common: &common\n  restart: always\n  init: true\n"
        "services:\n  a: {<<: *common, image: x}\n  b: {<<: *common, image: y}\n",
        "services: {a: {image: x, networks: [front]}, b: {image: y, networks: {front: {aliases: "
        "[z]}, back: }}}\nnetworks: {front: , back: {internal: true, driver: bridge}}\n",
        "services: {a: {image: x, secrets: [s, {source: t, target: /t, mode: 0440}], configs: "
        "[c]}}\nsecrets: {s: {file: ./s.txt}, t: {file: t.txt}}\nconfigs: {c: {content: hi}}\n",
        "services: {a: {image: x, env_file: .env, volumes: ['.:/app:ro', './data:/data']}}",
        "services: {a: {image: x, env_file: [a.env, {path: ./b.env, required: false}]}}",
        "services: {a: {image: x, volumes: ['.:/app']}, b: {image: x, volumes: ['./:/srv']}}",
        "services: {a: {image: x}}\nx-berth: {main: a}\nx-else: {privileged: true}\n",
        "services: {a: {image: x, scale: 8}, b: {image: x, deploy: {replicas: 7}}, c: {image: x}}\n"
        "x-berth: {main: c}",
        "services: {a: {image: x}}\nvolumes: {v: {external: false}}\n",
    };
    for (size_t i = 0; i < UNIT_COUNT(files); i++) {
        struct berth_error err = BERTH_ERROR_INIT;
        ck_assert_msg(check(&owners, files[i], &err) == 0, "%s\n%s", err.message, files[i]);
    }
}
END_TEST

START_TEST(what_a_service_may_say)
{
    static const char *const rows[] = {
        "attach: false",
        "cap_add: [CHOWN, CAP_SETUID, net_bind_service]",
        "cap_drop: [ALL]",
        "command: sleep 1",
        "command: [sleep, 1]",
        "command: ",
        "cpus: 0.5, mem_limit: 1g, mem_reservation: 5m, pids_limit: 100, shm_size: 64m",
        "depends_on: {db: {condition: service_healthy, restart: true, required: true}}",
        ("deploy: {resources: {limits: {cpus: '0.5', memory: 1g, pids: 5}, reservations: {cpus: "
         "1}}}"),
        ("deploy: {mode: replicated, replicas: 1, restart_policy: {condition: on-failure, delay: "
         "5s, max_attempts: 3, window: 1m}, placement: {}}"),
        ("deploy: {resources: {reservations: {devices: [{driver: nvidia, count: 2, capabilities: "
         "[gpu]}]}}}"),
        ("deploy: {resources: {reservations: {devices: [{device_ids: ['0', '1'], capabilities: "
         "[gpu]}]}}}"),
        "dns: 1.1.1.1, dns_search: [a.b], dns_opt: [timeout:1]",
        "entrypoint: [sh, -c]",
        "expose: [80, '81']",
        "extra_hosts: ['a:1.2.3.4']",
        "extra_hosts: {a: 1.2.3.4, b: [1.2.3.4]}",
        "healthcheck: {disable: true}",
        "healthcheck: {test: 'true', start_period: 500ms, start_interval: 1s}",
        "hostname: a, domainname: b, working_dir: /x, stop_signal: SIGINT, stop_grace_period: 3s",
        "init: true, tty: true, stdin_open: true, read_only: true, platform: linux/amd64",
        "labels: [a=b, c]",
        "labels: {a: b, berths: c}",
        "links: [db, 'db:other']",
        "logging: {driver: json-file, options: {max-size: 1m, max-file: 3}}",
        "network_mode: none",
        "network_mode: bridge",
        "network_mode: service:db",
        "ports: [{target: 80, published: '8080', host_ip: 127.0.0.1, protocol: tcp, mode: host}]",
        "pull_policy: always",
        "restart: no",
        "restart: 'on-failure:3'",
        "security_opt: [no-new-privileges, 'no-new-privileges:true']",
        "tmpfs: /run",
        "tmpfs: [/run, '/tmp:size=1m']",
        "ulimits: {nofile: 1024, memlock: {soft: -1, hard: -1}}",
        "user: root",
        "user: 1000:1000",
        ("volumes: [{type: bind, source: ./a, target: /a, read_only: true, bind: "
         "{create_host_path: true}}]"),
        "volumes: [{type: volume, source: v, target: /a, volume: {nocopy: true}}]",
        "volumes: [{type: tmpfs, target: /a, tmpfs: {size: 1000000}}]",
        "volumes: ['./a/b:/a', './a/c:/c', './ab:/d']",
        "volumes: ['v:/a:ro,nocopy']",
        "x-note: {a: b}",
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_error err = BERTH_ERROR_INIT;
        ck_assert_msg(check_service(&owners, rows[i], &err) == 0, "%s: %s", rows[i], err.message);
    }
}
END_TEST

struct refusal {
    const char *text;
    const char *said;
};

#define OUTSIDE "not allowed: only what is beneath the project's own folder, as ./data, can be used"

/* said: NULL where it is OUTSIDE, after the path. */
static const struct refusal refused_of_service[] = {
    {"privileged: true", "services.web.privileged: not allowed"},
    {"privileged: false", "services.web.privileged: not allowed"},
    {"pid: host", "services.web.pid: not allowed"},
    {"ipc: host", "services.web.ipc: not allowed"},
    {"uts: host", "services.web.uts: not allowed"},
    {"userns_mode: host", "services.web.userns_mode: not allowed"},
    {"cgroup: host", "services.web.cgroup: not allowed"},
    {"cgroup_parent: x", "services.web.cgroup_parent: not allowed"},
    {"network_mode: host",
     "services.web.network_mode: not allowed but for: none, bridge, service:SERVICE"},
    {"network_mode: 'container:x'",
     "services.web.network_mode: not allowed but for: none, bridge, service:SERVICE"},
    {"network_mode: 'service:nobody'",
     "services.web.network_mode: not allowed but for: none, bridge, service:SERVICE"},
    {"network_mode: other_network",
     "services.web.network_mode: not allowed but for: none, bridge, service:SERVICE"},
    {"devices: [/dev/sda]", "services.web.devices: not allowed"},
    {"device_cgroup_rules: ['c 1:3 mr']", "services.web.device_cgroup_rules: not allowed"},
    {"volumes: ['/var/run/docker.sock:/x']", NULL},
    {"volumes: ['/etc:/x:ro']", NULL},
    {"volumes: ['~/x:/x']", NULL},
    {"volumes: ['../x:/x']", NULL},
    {"volumes: ['..:/x']", NULL},
    {"volumes: ['./a/../../x:/x']", NULL},
    {"volumes: ['./../x:/x']", NULL},
    {"volumes: ['\\\\x:/x']", NULL},
    {"volumes: [{type: bind, source: /etc, target: /x}]", NULL},
    {"volumes: [{type: bind, source: ../x, target: /x}]", NULL},
    {"volumes: [{type: bind, target: /x}]", "services.web.volumes[0].source: is empty"},
    {"volumes: [{type: volume, source: /etc, target: /x}]",
     "services.web.volumes[0].source: must be a name"},
    {"volumes: [{type: bind, source: ./a, target: /x, bind: {propagation: shared}}]",
     "services.web.volumes[0].bind.propagation: not allowed"},
    {"volumes: [{source: ./a, target: /x}]", "services.web.volumes[0]: has no type"},
    {"volumes: [{type: npipe, source: a, target: /x}]",
     "services.web.volumes[0].type: not allowed but for: bind, volume, tmpfs"},
    {"volumes: ['../x']", "services.web.volumes[0]: must be SOURCE:TARGET, or begin with /"},
    {"volumes: ['a/b:/x']", "services.web.volumes[0]: must begin with ./, or be a volume's name"},
    {"volumes: [{type: volume, source: a/b, target: /x}]",
     "services.web.volumes[0].source: must be a name"},
    {"volumes: ['v:/x', './a:/x:rshared']", "services.web.volumes[1]: mode rshared is not allowed"},
    {"volumes: ['./a:/x:ro,shared']", "services.web.volumes[0]: mode shared is not allowed"},
    {"volumes: ['./a:/x', './a/b:/y']",
     "services.web.volumes[1]: not allowed: it lies within what services.web.volumes[0] may "
     "write (make that read-only, or let neither be within the other)"},
    {"volumes: ['.:/x', {type: bind, source: ././/a/, target: /y}]",
     "services.web.volumes[1].source: not allowed: it lies within what services.web.volumes[0]"
     " may write (make that read-only, or let neither be within the other)"},
    {"volumes: [5]", "services.web.volumes[0]: must be a text or a map"},
    {"volumes: {a: b}", "services.web.volumes: must be a list"},
    {"volumes_from: [db]", "services.web.volumes_from: not allowed"},
    {"extends: {service: db}",
     "services.web.extends: not allowed: write the service out, or use an anchor and <<"},
    {"env_file: /etc/passwd", NULL},
    {"env_file: [a.env, ../x.env]", NULL},
    {"env_file: [{path: /etc/passwd}]", NULL},
    {"env_file: 'https://x/y'", NULL},
    {"env_file: {path: x}", "services.web.env_file: must be a path"},
    {"build: .",
     "services.web.build: not allowed: images are not built here, name one that the facility "
     "has"},
    {"container_name: x",
     "services.web.container_name: not allowed: containers are named by berth"},
    {"labels: {berth.user: root}",
     "services.web.labels.berth.user: not allowed: the label is not yours"},
    {"labels: [a=b, berth.facility=x]",
     "services.web.labels[1]: not allowed: the label is not yours"},
    {"labels: {com.docker.compose.project: x}",
     "services.web.labels.com.docker.compose.project: not allowed: the label is not yours"},
    {"labels: {Berth.user: x}",
     "services.web.labels.Berth.user: not allowed: the label is not yours"},
    {"annotations: {a: b}", "services.web.annotations: not allowed"},
    {"cap_add: [CHOWN, SYS_ADMIN]",
     "services.web.cap_add[1]: not allowed: the capability is not one that apps have"},
    {"cap_add: [ALL]",
     "services.web.cap_add[0]: not allowed: the capability is not one that apps have"},
    {"cap_add: [NET_RAW]",
     "services.web.cap_add[0]: not allowed: the capability is not one that apps have"},
    {"security_opt: ['seccomp:unconfined']",
     "services.web.security_opt[0]: not allowed but for: no-new-privileges, "
     "no-new-privileges:true, no-new-privileges=true"},
    {"security_opt: ['no-new-privileges:false']",
     "services.web.security_opt[0]: not allowed but for: no-new-privileges, "
     "no-new-privileges:true, no-new-privileges=true"},
    {"sysctls: {net.core.somaxconn: 1}", "services.web.sysctls: not allowed"},
    {"runtime: runc", "services.web.runtime: not allowed"},
    {"profiles: [a]", "services.web.profiles: not allowed: all services of the file run"},
    {"scale: 17", "services.web.scale: must be a whole number from 1 to 16"},
    {"scale: 0", "services.web.scale: must be a whole number from 1 to 16"},
    {"scale: 1.5", "services.web.scale: must be a whole number from 1 to 16"},
    {"scale: 16", "services.db: not allowed: a project has at most 16 containers"},
    {"deploy: {replicas: 16}", "services.db: not allowed: a project has at most 16 containers"},
    {"scale: 2", "services.web: not allowed: it stands for the project, and so runs once "
                 "(x-berth.main can name "
                 "another)"},
    {"deploy: {mode: global}", "services.web.deploy.mode: not allowed but for: replicated"},
    {"deploy: {placement: {constraints: [a]}}", "services.web.deploy.placement: not allowed"},
    {"deploy: {endpoint_mode: vip}", "services.web.deploy.endpoint_mode: not allowed"},
    {"deploy: {resources: {reservations: {devices: [{count: 3, capabilities: [gpu]}]}}}",
     "services.web.deploy.resources.reservations.devices[0]: not allowed: a project may have 2 "
     "GPUs in all"},
    {"deploy: {resources: {reservations: {devices: [{capabilities: [gpu]}]}}}",
     "services.web.deploy.resources.reservations.devices[0]: not allowed: a project may have 2 "
     "GPUs in all"},
    {"deploy: {resources: {reservations: {devices: [{count: all, capabilities: [gpu]}]}}}",
     "services.web.deploy.resources.reservations.devices[0]: not allowed: a project may have 2 "
     "GPUs in all"},
    {"deploy: {resources: {reservations: {devices: [{count: -1, capabilities: [gpu]}]}}}",
     "services.web.deploy.resources.reservations.devices[0]: its count must be a number from "
     "1, "
     "or all"},
    {"scale: 3, deploy: {resources: {reservations: {devices: [{count: 1, capabilities: "
     "[gpu]}]}}}",
     "services.web.deploy.resources.reservations.devices[0]: not allowed: a project may have 2 "
     "GPUs in all"},
    {"deploy: {resources: {reservations: {devices: [{count: 1, capabilities: [tpu]}]}}}",
     "services.web.deploy.resources.reservations.devices[0].capabilities[0]: not allowed but "
     "for: gpu"},
    {"deploy: {resources: {reservations: {devices: [{count: 1, driver: cdi, capabilities: "
     "[gpu]}]}}}",
     "services.web.deploy.resources.reservations.devices[0].driver: not allowed but for: "
     "nvidia"},
    {"deploy: {resources: {reservations: {devices: [{count: 1}]}}}",
     "services.web.deploy.resources.reservations.devices[0]: its capabilities must be [gpu]"},
    {"gpus: all", "services.web.gpus: not allowed: use deploy.resources.reservations.devices"},
    {"environment: {A: }",
     "services.web.environment.A: there is no environment to take its value from"},
    {"environment: [HOME]",
     "services.web.environment[0]: there is no environment to take its value from"},
    {"environment: {A: [b]}", "services.web.environment.A: must be a text or a number"},
    {"environment: [5]", "services.web.environment[0]: must be a text, NAME=VALUE"},
    {"environment: x", "services.web.environment: must be a map or a list"},
    {"environment: {A: '${B}'}",
     "services.web.environment.A: variables are not replaced here: write the value, and $$ for "
     "a dollar"},
    {"command: [echo, $HOME]",
     "services.web.command[1]: variables are not replaced here: write the value, and $$ for a "
     "dollar"},
    {"command: 'a$$$b'",
     "services.web.command: variables are not replaced here: write the value, and $$ for a "
     "dollar"},
    {"environment: {$A: b}", "services.web.environment.$A: a name must not have a dollar"},
    {"x-a: [{b: $c}]",
     "services.web.x-a[0].b: variables are not replaced here: write the value, and $$ for a "
     "dollar"},
    {"post_start: [{command: x}]", "services.web.post_start: not allowed"},
    {"pre_stop: [{command: x}]", "services.web.pre_stop: not allowed"},
    {"develop: {watch: []}", "services.web.develop: not allowed"},
    {"provider: {type: x}", "services.web.provider: not allowed"},
    {"models: [x]", "services.web.models: not allowed"},
    {"use_api_socket: true", "services.web.use_api_socket: not allowed"},
    {"credential_spec: {file: x}", "services.web.credential_spec: not allowed"},
    {"isolation: x", "services.web.isolation: not allowed"},
    {"oom_score_adj: -1000", "services.web.oom_score_adj: not allowed"},
    {"oom_kill_disable: true", "services.web.oom_kill_disable: not allowed"},
    {"blkio_config: {}", "services.web.blkio_config: not allowed"},
    {"storage_opt: {size: 1G}", "services.web.storage_opt: not allowed"},
    {"group_add: [docker]", "services.web.group_add: not allowed"},
    {"external_links: [x]", "services.web.external_links: not allowed"},
    {"mac_address: x", "services.web.mac_address: not allowed"},
    {"logging: {driver: syslog}",
     "services.web.logging.driver: not allowed but for: json-file, local"},
    {"logging: {options: {syslog-address: x}}",
     "services.web.logging.options.syslog-address: not allowed"},
    {"networks: {a: {ipv4_address: 1.2.3.4}}", "services.web.networks.a.ipv4_address: not allowed"},
    {"ulimits: {rtprio: 99}", "services.web.ulimits.rtprio: not allowed"},
    {"ulimits: {nofile: x}",
     "services.web.ulimits.nofile: must be a whole number from -1 to 2147483647"},
    {"pull_policy: build",
     "services.web.pull_policy: not allowed but for: always, missing, if_not_present, never"},
    {"restart: sometimes",
     "services.web.restart: not allowed but for: no, always, on-failure, unless-stopped"},
    {"healthcheck: {interval: 10ms}", "services.web.healthcheck.interval: must be 1 s at least"},
    {"healthcheck: {start_interval: 0s}",
     "services.web.healthcheck.start_interval: must be 1 s at least"},
    {"healthcheck: {interval: soon}",
     "services.web.healthcheck.interval: must be a duration, as 1m30s"},
    {"healthcheck: {interval: 5}",
     "services.web.healthcheck.interval: must be a duration, as 1m30s"},
    {"depends_on: {db: {condition: service_lucky}}",
     "services.web.depends_on.db.condition: not allowed but for: service_started, "
     "service_healthy, service_completed_successfully"},
    {"ports: [{target: 80, driver: x}]", "services.web.ports[0].driver: not allowed"},
    {"ports: [{target: 0}]",
     "services.web.ports[0].target: must be a whole number from 1 to 65535"},
    {"ports: [[80]]", "services.web.ports[0]: must be a text or a number"},
    {"ports: [null]", "services.web.ports[0]: is empty"},
    {"tty: 'yes'", "services.web.tty: must be true or false"},
    {"hostname: 5", "services.web.hostname: must be a text"},
    {"enviroment: {A: b}", "services.web.enviroment: not allowed (did you mean environment?)"},
    {"Privileged: true", "services.web.Privileged: not allowed"},
};

START_TEST(what_a_service_may_not_say)
{
    for (size_t i = 0; i < UNIT_COUNT(refused_of_service); i++) {
        struct berth_error err = BERTH_ERROR_INIT;
        int rc = check_service(&owners, refused_of_service[i].text, &err);
        ck_assert_msg(rc == BERTH_E_INVALID, "%s: %d", refused_of_service[i].text, rc);
        const char *said = refused_of_service[i].said;
        bool is_said = said ? strcmp(err.message, said) == 0 : strstr(err.message, OUTSIDE) != NULL;

        ck_assert_msg(is_said, "%s: %s", refused_of_service[i].text, err.message);
    }
}
END_TEST

static const struct refusal refused_of_file[] = {
    {"[]", "the compose file must be a map"},
    {"a: 1\na: 2", "the compose file: line 2: it has the key twice: a"},
    {"services: {a: &x [*x]}", "the compose file: line 1: nothing before it is called &x"},
    {"version: '3'", "the compose file has no services"},
    {"services: ", "the compose file has no services"},
    {"services: {}", "the compose file has no services"},
    {"services: [a]", "services: must be a map"},
    {"services: {a: x}", "services.a: must be a map"},
    {"services: {a: }", "services.a: must be a map"},
    {"services: {a: {command: x}}", "services.a: has no image"},
    {"services: {a: {image: ''}}", "services.a: has no image"},
    {"services: {a: {image: 5}}", "services.a.image: must be a text"},
    {"services: {a: {image: 'x:${TAG:-latest}'}}",
     "services.a.image: variables are not replaced here: write the value, and $$ for a dollar"},
    {"services: {a: {image: x}}\ninclude: [b.yaml]", "include: not allowed: a project is one file"},
    {"services: {a: {image: x}}\nmodels: {}", "models: not allowed"},
    {"services: {a: {image: x}}\nnetwork: {}", "network: not allowed (did you mean networks?)"},
    {"services: {a: {image: x}}\nvolumes: {v: {external: true}}",
     "volumes.v.external: not allowed: it would be somebody else's"},
    {"services: {a: {image: x}}\nvolumes: {v: {external: {name: y}}}",
     "volumes.v.external: not allowed: it would be somebody else's"},
    {"services: {a: {image: x}}\nvolumes: {v: {name: c2_data}}",
     "volumes.v.name: not allowed: names are made by berth"},
    {"services: {a: {image: x}}\nvolumes: {v: {driver: nfs}}",
     "volumes.v.driver: not allowed but for: local"},
    {"services: {a: {image: x}}\nvolumes: {v: {driver_opts: {type: none, o: bind, device: /}}}",
     "volumes.v.driver_opts: not allowed: they could lead to the host's files"},
    {"services: {a: {image: x}}\nvolumes: {v: {labels: {berth.user: x}}}",
     "volumes.v.labels.berth.user: not allowed: the label is not yours"},
    {"services: {a: {image: x}}\nnetworks: {n: {external: true}}",
     "networks.n.external: not allowed: it would be somebody else's"},
    {"services: {a: {image: x}}\nnetworks: {default: {name: bridge}}",
     "networks.default.name: not allowed: names are made by berth"},
    {"services: {a: {image: x}}\nnetworks: {n: {driver: host}}",
     "networks.n.driver: not allowed but for: bridge, default"},
    {"services: {a: {image: x}}\nnetworks: {n: {driver_opts: {a: b}}}",
     "networks.n.driver_opts: not allowed: they could lead to the host's files"},
    {"services: {a: {image: x}}\nnetworks: {n: {ipam: {config: [{subnet: 10.0.0.0/8}]}}}",
     "networks.n.ipam: not allowed: addresses are the engine's to choose"},
    {"services: {a: {image: x}}\nsecrets: {s: {file: /etc/shadow}}",
     "secrets.s.file: not allowed: only what is beneath the project's own folder, as ./data, "
     "can be used"},
    {"services: {a: {image: x}}\nsecrets: {s: {environment: HOME}}",
     "secrets.s.environment: not allowed"},
    {"services: {a: {image: x}}\nsecrets: {s: {external: true}}",
     "secrets.s.external: not allowed: it would be somebody else's"},
    {"services: {a: {image: x}}\nconfigs: {s: {file: ../x}}",
     "configs.s.file: not allowed: only what is beneath the project's own folder, as ./data, "
     "can be used"},
    {"services: {a: {image: x}}\nconfigs: {s: {template_driver: x}}",
     "configs.s.template_driver: not allowed"},
    {"services: {a: {image: x, volumes: ['./d:/d']}}\nsecrets: {s: {file: ./d/s}}",
     "secrets.s.file: not allowed: it lies within what services.a.volumes[0] may write (make "
     "that read-only, or let neither be within the other)"},
    {"services: {a: {image: x, volumes: ['.:/d']}, b: {image: x, env_file: e}}",
     "services.b.env_file: not allowed: it lies within what services.a.volumes[0] may write "
     "(make that read-only, or let neither be within the other)"},
    {"services: {a: {image: x}}\nx-berth: {main: b}",
     "x-berth.main: must be the name of a service"},
    {"services: {a: {image: x}}\nx-berth: {user: root}", "x-berth.user: not allowed"},
    /* What anchors and merges bring is looked at where it comes to stand. */
    {"x-a: &a {privileged: true}\nservices: {a: {<<: *a, image: x}}",
     "services.a.privileged: not allowed"},
    {"x-a: &a {pid: host}\nservices: {a: {image: x, <<: [{init: true}, *a]}}",
     "services.a.pid: not allowed"},
    {"x-a: &a ['/:/host']\nservices: {a: {image: x, volumes: *a}}",
     "services.a.volumes[0]: not allowed: only what is beneath the project's own folder, as "
     "./data, can be used"},
};

START_TEST(what_a_file_may_not_say)
{
    for (size_t i = 0; i < UNIT_COUNT(refused_of_file); i++) {
        struct berth_error err = BERTH_ERROR_INIT;
        int rc = check(&owners, refused_of_file[i].text, &err);
        ck_assert_msg(rc == BERTH_E_INVALID, "%s: %d", refused_of_file[i].text, rc);
        ck_assert_msg(strcmp(err.message, refused_of_file[i].said) == 0, "%s: %s",
                      refused_of_file[i].text, err.message);
    }
}
END_TEST

START_TEST(nobody_is_root_where_the_facility_says_so)
{
    static const struct {
        const char *user;
        bool allowed;
    } rows[] = {
        {"user: ", true},          {"user: 1000", true},
        {"user: '1000'", true},    {"user: '1000:1000'", true},
        {"user: 1000:0", true},    {"user: 0", false},
        {"user: '0'", false},      {"user: '0:0'", false},
        {"user: '00'", false},     {"user: root", false},
        {"user: postgres", false}, {"user: ''", false},
        {"user: '-1'", false},     {"user: '4294967296'", false},
        {"user: '1000:'", false},  {"user: '1000:docker'", false},
        {"user: 0.5", false},      {"user: [1000]", false},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        int rc = check_service(&rootless, rows[i].user, NULL);
        ck_assert_msg(rc == (rows[i].allowed ? 0 : BERTH_E_INVALID), "%s", rows[i].user);
    }
}
END_TEST

START_TEST(the_normal_form_has_names_and_paths_that_are_the_projects)
{
    static const struct {
        const char *text;
        bool allowed;
    } rows[] = {
        {"name: c1\nservices: {a: {image: x, command: null, entrypoint: null, networks: {default: "
         "null}, volumes: [{type: bind, source: " MOUNT "/d, target: /d, bind: {create_host_path: "
         "true}}, {type: volume, source: v, target: /v, volume: {}}], ports: [{mode: ingress, "
         "target: 80, published: '8080', protocol: tcp}], deploy: {placement: {}}}}\n"
         "networks: {default: {name: c1_default, ipam: {}}}\nvolumes: {v: {name: c1_v}}\n"
         "secrets: {s: {name: c1_s, file: " MOUNT "/s}}\n",
         true},
        {"services: {a: {image: x, volumes: [{type: bind, source: " MOUNT ", target: /x}]}}", true},
        {"services: {a: {image: x, volumes: [{type: bind, source: " MOUNT "2, target: /x}]}}",
         false},
        {"services: {a: {image: x, volumes: [{type: bind, source: " MOUNT "/../x, target: /x}]}}",
         false},
        {"services: {a: {image: x, volumes: [{type: bind, source: ./a, target: /x}]}}", false},
        {"services: {a: {image: x, volumes: [{type: bind, source: /, target: /x}]}}", false},
        {"services: {a: {image: x, env_file: " MOUNT "/e}}", false},
        {"name: c2\nservices: {a: {image: x}}", false},
        {"services: {a: {image: x}}\nvolumes: {v: {name: c2_v}}", false},
        {"services: {a: {image: x}}\nvolumes: {v: {name: c1_w}}", false},
        {"services: {a: {image: x}}\nvolumes: {v: {name: c1_v, external: true}}", false},
        {"services: {a: {image: x}}\nnetworks: {n: {name: bridge}}", false},
        {"services: {a: {image: x}}\nnetworks: {n: {name: c1_n, ipam: {driver: x}}}", false},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct berth_error err = BERTH_ERROR_INIT;
        int rc = check(&normal, rows[i].text, &err);
        ck_assert_msg(rc == (rows[i].allowed ? 0 : BERTH_E_INVALID), "%s: %s", rows[i].text,
                      err.message);
    }
}
END_TEST

START_TEST(one_service_stands_for_the_project)
{
    static const struct {
        const char *text;
        const char *main;
    } rows[] = {
        {"services: {a: {image: x}, b: {image: y}}", "a"},
        {"services: {a: {image: x}, b: {image: y, ports: [80]}, c: {image: y, ports: [81]}}", "b"},
        {"services: {a: {image: x}, b: {image: y, ports: [80]}}\nx-berth: {main: a}", "a"},
        {"services: {a: {image: x, ports: []}, b: {image: y, ports: }}", "a"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        BERTH_CLEANUP(json) cJSON *file = NULL;
        ck_assert_int_eq(berth_compose_policy_read(rows[i].text, strlen(rows[i].text), &file, NULL),
                         0);
        ck_assert_int_eq(berth_compose_policy_check(&owners, file, NULL), 0);
        ck_assert_str_eq(berth_compose_policy_main(file), rows[i].main);
    }
}
END_TEST

START_TEST(a_text_has_a_longest_length)
{
    for (size_t len = BERTH_COMPOSE_TEXT_MAX; len <= BERTH_COMPOSE_TEXT_MAX + 1; len++) {
        BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(len);
        BERTH_CLEANUP(json) cJSON *file = NULL;
        berth_strbuf_adds(&text, "services: {a: {image: x}} #");
        while (text.len < len)
            berth_strbuf_addc(&text, '-');
        ck_assert_int_eq(berth_compose_policy_read(berth_strbuf_str(&text), text.len, &file, NULL),
                         len > BERTH_COMPOSE_TEXT_MAX ? BERTH_E_TOO_LARGE : 0);
    }
}
END_TEST

START_TEST(paths_of_any_length_are_named)
{
    BERTH_CLEANUP(strbuf) struct berth_strbuf text = BERTH_STRBUF_INIT(TEXT_MAX);
    struct berth_error err = BERTH_ERROR_INIT;
    berth_strbuf_adds(&text, "services: {a: {image: x}, b");
    for (int i = 0; i < 1000; i++)
        berth_strbuf_adds(&text, "\xc3\xa9");
    berth_strbuf_adds(&text, ": {privileged: true}}");
    ck_assert_int_eq(check(&owners, berth_strbuf_str(&text), &err), BERTH_E_INVALID);
    ck_assert_ptr_nonnull(strstr(err.message, "\xc3\xa9.privileged: not allowed"));
}
END_TEST

START_TEST(out_of_memory_is_told)
{
    static const char text[] = "services: {a: {image: x, volumes: ['./a:/a', './b:/b']}}";
    BERTH_CLEANUP(json) cJSON *file = NULL;
    ck_assert_int_eq(berth_compose_policy_read(text, strlen(text), &file, NULL), 0);
    for (size_t n = 0;; n++) {
        unit_alloc_fail_after(n);
        int rc = berth_compose_policy_check(&owners, file, NULL);
        bool failed = unit_alloc_restore();
        ck_assert_int_eq(rc, failed ? BERTH_E_NOMEM : 0);
        if (!failed)
            break;
    }
}
END_TEST

UNIT_SUITE("compose_policy", what_ordinary_files_say_is_allowed, what_a_service_may_say,
           what_a_service_may_not_say, what_a_file_may_not_say,
           nobody_is_root_where_the_facility_says_so,
           the_normal_form_has_names_and_paths_that_are_the_projects,
           one_service_stands_for_the_project, a_text_has_a_longest_length,
           paths_of_any_length_are_named, out_of_memory_is_told)
