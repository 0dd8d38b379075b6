// Input that must be refused, with what the error has to say: the object, the field, and the way out. Data only; used by cli.test.ts,
// whose central holds INTENT.

export const A = "chassis-a";

export const INTENT = `kind: Network
metadata: {id: web, project: red, labels: {tier: front}}
spec: {overlay: {encap: geneve}}
---
kind: Subnet
metadata: {id: web-4, project: red}
spec: {network: web, cidr: 10.6.0.0/24}
---
kind: Subnet
metadata: {id: web-6, project: red}
spec: {network: web, cidr: "fd06::/64"}
---
kind: Port
metadata: {id: web-1, project: red, labels: {app: shop}}
spec:
  network: web
  mac: "0a:57:00:00:06:01"
  requestedChassis: ${A}
  fixedIps: [{ip: 10.6.0.11}, {ip: "fd06::11"}]
---
kind: Port
metadata: {id: web-2, project: red, name: second}
spec: {network: web}
---
kind: Network
metadata: {id: tiny, project: red}
spec: {overlay: {encap: vxlan}}
---
kind: Subnet
metadata: {id: tiny-4, project: red}
spec: {network: tiny, cidr: 10.7.0.0/30}
---
kind: Port
metadata: {id: tiny-1, project: red}
spec: {network: tiny}
`;

export const port = (id: string, spec: string, meta = "") =>
  `kind: Port\nmetadata: {id: ${id}, project: red${meta}}\nspec: ${spec}\n`;

const subnet = (id: string, spec: string) =>
  `kind: Subnet\nmetadata: {id: ${id}, project: red}\nspec: ${spec}\n`;

export const BAD_FILES: readonly (readonly [what: string, text: string, says: RegExp])[] = [
  [
    "an unknown kind",
    "kind: Prot\nmetadata: {id: x}\n",
    /bad\.yaml:1:\d+: kind: Prot .*did you mean Port/,
  ],
  [
    "an unknown field",
    port("x", "{netwrok: web, network: web}"),
    /bad\.yaml:3:\d+: port x: spec\.netwrok: unknown field; did you mean network/,
  ],
  [
    "malformed YAML",
    "kind: Port\nmetadata: {id: x\nspec: {}\n",
    /bad\.yaml:3:1: not YAML: Flow map/,
  ],
  [
    "a value of the wrong type",
    port("x", "{network: web, adminDown: perhaps}"),
    /bad\.yaml:3:\d+: port x: spec\.adminDown: must be true or false/,
  ],
  [
    "a network that is not there",
    port("x", "{network: nowhere}"),
    /bad\.yaml:3: port x: spec\.network: no network "nowhere" in project red/,
  ],
  [
    "a network of another project",
    port("x", "{network: web}").replace("red", "blue"),
    /port x: spec\.network: no network "web" in project blue/,
  ],
  [
    "a subnet that is not there",
    port("x", "{network: web, fixedIps: [{subnet: nowhere}]}"),
    /port x: spec\.fixedIps\[0\]\.subnet: no subnet "nowhere"/,
  ],
  [
    "a chassis that is not there",
    port("x", "{network: web, requestedChassis: chassis-z}"),
    /port x: spec\.requestedChassis: no chassis "chassis-z"/,
  ],
  [
    "a MAC that another port has",
    port("x", `{network: web, mac: "0a:57:00:00:06:01"}`),
    /port x: spec\.mac: 0a:57:00:00:06:01 belongs to port red\/web-1/,
  ],
  [
    "no MAC at all",
    port("x", "{network: web, mac: nonsense}"),
    /port x: spec\.mac: "nonsense" is no MAC/,
  ],
  [
    "an address that another port has",
    port("x", "{network: web, fixedIps: [{ip: 10.6.0.11}]}"),
    /port x: spec\.fixedIps\[0\]\.ip: 10\.6\.0\.11 belongs to port red\/web-1/,
  ],
  [
    "the address of the gateway",
    port("x", "{network: web, fixedIps: [{ip: 10.6.0.1}]}"),
    /port x: spec\.fixedIps\[0\]\.ip: 10\.6\.0\.1 is the gateway/,
  ],
  [
    "an address outside every subnet",
    port("x", "{network: web, fixedIps: [{ip: 10.99.0.1}]}"),
    /port x: spec\.fixedIps\[0\]\.ip: 10\.99\.0\.1 is in no subnet of the network/,
  ],
  [
    "an address outside the subnet named",
    port("x", `{network: web, fixedIps: [{subnet: web-4, ip: "fd06::9"}]}`),
    /port x: spec\.fixedIps\[0\]\.ip: fd06::9 is not in 10\.6\.0\.0\/24/,
  ],
  [
    "a name that another port has",
    port("x", "{network: web}", ", name: second"),
    /port second: metadata\.name: the name "second" belongs to port web-2/,
  ],
  [
    "subnets of a network that overlap",
    subnet("x", "{network: web, cidr: 10.6.0.128/25}"),
    /subnet x: spec\.cidr: 10\.6\.0\.128\/25 overlaps 10\.6\.0\.0\/24 of subnet red\/web-4/,
  ],
  [
    "a prefix with host bits",
    subnet("x", "{network: web, cidr: 10.8.0.7/24}"),
    /spec\.cidr: .*did you mean 10\.8\.0\.0\/24/,
  ],
  ["an exhausted pool", port("x", "{network: tiny}"), /port x: spec\.fixedIps.*: .*tiny-4/],
  [
    "a network that changes its type",
    "kind: Network\nmetadata: {id: web, project: red}\nspec: {overlay: {encap: vxlan}}\n",
    /bad\.yaml:3: network web: spec\.overlay\.encap: the encap is /i,
  ],
  [
    "a port that changes its network",
    port("web-2", "{network: tiny}", ", name: second"),
    /port second: spec\.network: /,
  ],
  [
    "an object of an older revision",
    port("web-1", "{network: web}", ", revision: 1"),
    /port web-1: metadata\.revision: .*not at 1: read it again/,
  ],
  [
    "what an agent reports",
    `kind: Chassis\nmetadata: {id: ${A}}\nspec: {hostname: x}\n`,
    /spec\.hostname: is reported by the agent/,
  ],
  [
    "a chassis that no agent registered",
    "kind: Chassis\nmetadata: {id: chassis-z}\nspec: {drain: true}\n",
    /chassis chassis-z: metadata\.id: /,
  ],
  [
    "too many addresses",
    port("x", `{network: web, fixedIps: [${new Array(300).fill("{subnet: web-4}").join(", ")}]}`),
    /port x: spec\.fixedIps: 300 addresses, at most \d+/,
  ],
  [
    "an object that is too large",
    port("x", `{network: web, deviceId: ${"x".repeat(300_000)}}`),
    /port x: .*(at most|more than) \d+/,
  ],
  [
    "the same object twice",
    `${port("x", "{network: web}")}---\n${port("x", "{network: web}")}`,
    /bad\.yaml:6: port x: is already in bad\.yaml:2/,
  ],
  [
    "several problems, all named",
    `${port("x", "{network: nowhere}")}---\n${port("y", "{network: web, fixedIps: [{ip: 10.99.0.1}]}")}`,
    /bad\.yaml:3: port x: spec\.network: .*\n.*bad\.yaml:7: port y: spec\.fixedIps\[0\]\.ip: /,
  ],
  [
    "one bad object among good ones",
    `${port("good", "{network: web}")}---\n${port("x", "{network: nowhere}")}`,
    /bad\.yaml:7: port x: spec\.network: /,
  ],
];

type BadCommand = readonly [
  what: string,
  args: readonly string[],
  /** docs/guide/cli.md, "Exit codes". */
  code: number,
  says: RegExp,
];

export const BAD_COMMANDS: readonly BadCommand[] = [
  [
    "deleting a network in use",
    ["delete", "network", "web"],
    1,
    /^error: network (red\/)?web: in use by .*: delete them first/,
  ],
  [
    "deleting a subnet in use",
    ["delete", "subnet", "web-4"],
    1,
    /subnet (red\/)?web-4: in use by .*port/,
  ],
  [
    "deleting a chassis in use",
    ["delete", "chassis", A],
    1,
    new RegExp(`chassis ${A}: .*(in use by|alive|running)`),
  ],
  ["deleting what is not there", ["delete", "port", "nobody"], 5, /there is no port "nobody"/],
  ["a kind that is not there", ["delete", "widget", "w"], 2, /widget: unknown kind/],
  ["reading what is not there", ["get", "port", "nobody"], 5, /port "?nobody"?/],
  ["a past that is not there", ["get", "port", "web-1", "--at-revision", "999999"], 1, /999999/],
  [
    "a filter that has no meaning",
    ["list", "ports", "--field", "spec.colour=red"],
    1,
    /spec\.colour/,
  ],
  ["the flows of a port without a chassis", ["flows", "second", "--project", "red"], 1, /second/],
  ["a chassis that waits for nothing", ["chassis", "adopt", "chassis-z"], 5, /chassis-z/],
  [
    "plugging on a chassis that is not there",
    ["port", "plug", "web-1", "chassis-z"],
    5,
    /chassis-z/,
  ],
];
