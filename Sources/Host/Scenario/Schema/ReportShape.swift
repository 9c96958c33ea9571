import Expectations
import Readings
import ScenarioReading
import Shapes

/// The shape of `report.json`.
enum ReportShape {
    static let schema = "labrun.dev/report/v1alpha1"

    static let document = ObjectShape(
        name: "report", help: "What a run of a scenario came to. Times in seconds; optional keys are left out or null.",
        fields: [
            Field("schema", .text(), required: true, constant: schema, "Version of this format."),
            Field("tool", .object(tool), required: true, "What ran it."),
            Field("host", .object(host), required: true, "Where it ran."),
            Field("seed", count, required: true, "Seed of everything random in the run."),
            Field("scenario", .object(scenario), required: true, "What was run."),
            Field("lab", .nullable(.object(lab)), "null when the run ended before its lab was described."),
            Field("verdict", verdict, required: true, "The whole run's."),
            Field("message", .text(), required: true, "Why, in one sentence."),
            Field("startedAt", .timestamp, required: true, "Start."),
            Field("durationSeconds", seconds, required: true, "Duration."),
            Field("phases", .map(.any, seconds), required: true, "Seconds by phase."),
            Field("steps", .list(.object(step), atLeast: 0), required: true, "Steps that were started."),
            Field("stepsNotRun", texts, required: true, "Names of steps that were never started."),
            Field("artifacts", .list(.object(artifact), atLeast: 0), required: true, "Files of the report folder."),
            Field(
                "warnings", texts, required: true,
                "What the lab could not do, keep or read. The verdict does not depend on it."),
        ])

    private static let seconds = Shape.number(0...(.infinity))
    private static let count = Shape.number(0...(.infinity))
    private static let texts = Shape.list(.text(), atLeast: 0)
    private static let verdict = Shape.choice([
        "pass", "fail", "inconclusive", "infra-error", "dirty-rollback", "interrupted",
    ])

    private static let tool = ObjectShape(
        name: "tool", help: "What ran it.",
        fields: [
            Field("version", .text(), required: true, "Version of labrun."),
            Field("revision", .text(), required: true, "Revision it was built from."),
        ])

    private static let host = ObjectShape(
        name: "host", help: "Where it ran.",
        fields: [
            Field("kernel", .text(), required: true, "Release of the host's kernel."),
            Field("cpus", .integer(0...65536), required: true, "Processors."),
            Field("accelerator", .text(), required: true, "kvm or tcg, and why."),
        ])

    private static let scenario = ObjectShape(
        name: "scenario", help: "What was run.",
        fields: [
            Field("name", .text(), required: true, "Name."),
            Field("title", .text(), required: true, "Title."),
            Field("file", .text(), required: true, "File as it was named."),
            Field("sha256", .text(), required: true, "Digest of the file, hexadecimal."),
            Field("labels", .map(.any, .text()), required: true, "Labels."),
            Field(
                "protocol", .choice(ProbeProtocol.allCases.map(\.rawValue)), "The one it answers; all when left out."),
        ])

    private static let lab = ObjectShape(
        name: "lab", help: "The lab as it ran.",
        fields: [
            Field("profile", .text(), required: true, "Name of the lab profile."),
            Field("nodes", .list(.object(node), atLeast: 0), required: true, "Nodes."),
            Field("datapath", .map(.any, .text()), required: true, "Effective values by their Helm names."),
            Field("controlPlane", .nullable(.object(controlPlane)), "Kubernetes' own servers, if it has them."),
            Field("kept", .nullable(.object(kept)), "Who booted the lab, if it was not this scenario."),
            Field(
                "notKept", .nullable(.object(notKept)), "Why it was booted afresh after a scenario with an equal one."),
        ])

    private static let controlPlane = ObjectShape(
        name: "controlPlane", help: "kube-apiserver, kube-controller-manager, kube-scheduler and etcd.",
        fields: [
            Field("version", .text(), required: true, "Version of the API server."),
            Field("address", .text(), required: true, "Its address in the VPC."),
            Field(
                "requests", .nullable(.object(requests)),
                "The requests that the API server had, by its audit log; null when they were not counted."),
        ])

    private static let requests = ObjectShape(
        name: "requests", help: "Requests to the API server in the whole run, each counted once.",
        fields: [
            Field("clients", .list(.object(client), atLeast: 0), required: true, "Most requests first."),
            Field("unreadLines", count, required: true, "Lines of the audit log that could not be read."),
        ])

    private static let client = ObjectShape(
        name: "client", help: "A kind of client of the API server.",
        fields: [
            Field("name", .text(), required: true, "What it calls itself: kubelet, datapathd, kubectl."),
            Field("user", .text(), required: true, "User as RBAC knows it; system:node:* for all nodes' kubelets."),
            Field("addresses", count, required: true, "How many addresses its requests came from."),
            Field(
                "verbs", .map(.any, count), required: true,
                "Requests by verb: list, watch, get, create, update, patch, delete, other."),
            Field("refused", count, required: true, "Requests answered with a status from 400 on."),
        ])

    private static let kept = ObjectShape(
        name: "kept", help: "A lab that another scenario of the same command booted.",
        fields: [
            Field("from", .text(), required: true, "The scenario that booted it."),
            Field("after", texts, required: true, "The scenarios that ran in it before this one."),
        ])

    private static let notKept = ObjectShape(
        name: "notKept", help: "The lab of the scenario before, which could have served this one.",
        fields: [
            Field("from", .text(), required: true, "The scenario that ran in it last."),
            Field("because", texts, required: true, "Why it was not kept, one line each."),
        ])

    private static let node = ObjectShape(
        name: "node", help: "A node.",
        fields: [
            Field("name", .text(), required: true, "Name."),
            Field("kernel", .text(), required: true, "Release of its kernel."),
            Field("addresses", texts, required: true, "Underlay addresses."),
            Field("podCIDRs", texts, required: true, "Its shares of the pods' addresses."),
            Field("joinsLater", .flag, "true: it is not there before a step joins it."),
        ])

    private static let join = ObjectShape(
        name: "join", help: "A node that joined the running lab; times from its power-on.",
        fields: [
            Field("node", .text(), required: true, "Node."),
            Field("startedAt", seconds, required: true, "Seconds from the run's start to its power-on."),
            Field("runtimeSeconds", seconds, "Until its runtime answered."),
            Field("agentSeconds", seconds, "Until its agent was ready."),
            Field("nodeReadySeconds", seconds, "Until its Node object was Ready, in a lab with a control plane."),
            Field("firstPodSeconds", seconds, "Until the first pod with a network of its own ran there."),
        ])

    private static let applied = ObjectShape(
        name: "applied", help: "Objects given to the API server by an action; times from the first request on.",
        fields: [
            Field("objects", count, required: true, "How many objects."),
            Field("givenSeconds", seconds, required: true, "Until the API server had taken the last of them."),
            Field("podsSeconds", seconds, "Until every workload had its pods and all of them were Ready."),
            Field("agentsSeconds", seconds, "Until every agent had them in its tables, too."),
            Field("behind", texts, required: true, "Agents that lacked something in the end, and what."),
        ])

    private static let step = ObjectShape(
        name: "step", help: "A step of the timeline as it went.",
        fields: [
            Field("name", .text(), required: true, "Name."),
            Field("title", .text(), required: true, "Title."),
            Field("actions", texts, required: true, "What was done, one sentence an action."),
            Field("verdict", verdict, required: true, "The step's."),
            Field("message", .nullable(.text()), "Why, when the step's parts do not say it."),
            Field("unfinished", .flag, required: true, "Whether the run ended inside the step."),
            Field("startedAt", .timestamp, required: true, "Start."),
            Field("offsetSeconds", seconds, required: true, "Seconds from the run's start to the step's."),
            Field("durationSeconds", seconds, required: true, "Duration."),
            Field("convergenceSeconds", .nullable(seconds), "From the last action until the expectations held."),
            Field("faults", .list(.object(fault), atLeast: 0), required: true, "Faults, as the step left them."),
            Field("joins", .list(.object(join), atLeast: 0), "Nodes that joined the lab in it."),
            Field("applied", .list(.object(applied), atLeast: 0), "Objects that it gave to the API server."),
            Field("matrix", .nullable(.object(matrix)), "The matrix that the expectations were held against."),
            Field("health", .list(.object(health), atLeast: 0), required: true, "What the agents reported."),
            Field("host", .nullable(.object(hostLoad)), "How busy the host was during the step."),
            Field("diagnosis", .nullable(.object(diagnosis)), "Root causes."),
            Field("expectations", .list(.object(expectation), atLeast: 0), required: true, "Test cases."),
        ])

    private static let hostLoad = ObjectShape(
        name: "hostLoad", help: "How busy the host was during a step.",
        fields: [
            Field("seconds", seconds, required: true, "Seconds that the reading covers."),
            Field("loadAverage", .nullable(count), "Load average of the last minute; null when it could not be read."),
            Field(
                "pressure", .nullable(.number(0...1)),
                "Share of the time in which some task waited for a processor; null on a kernel without PSI."),
            Field("steal", .nullable(.number(0...1)), "Share of the processors' time that went to other machines."),
            Field("emulatorsRan", seconds, required: true, "Processor time of all threads of the nodes' emulators."),
            Field("emulatorsWaited", seconds, required: true, "Time that these threads waited for a processor."),
        ])

    private static let faultState = Shape.choice(["injected", "verified", "unproven", "healed", "dirty", "refused"])

    private static let fault = ObjectShape(
        name: "fault", help: "A fault.",
        fields: [
            Field("id", .text(), required: true, "Id."),
            Field("kind", .text(), required: true, "Kind."),
            Field("targets", texts, required: true, "What it was done to."),
            Field("state", faultState, required: true, "State at the step's end."),
            Field("evidence", texts, required: true, "What its oracle read."),
            Field("history", .list(.object(transition), atLeast: 0), required: true, "States, in order."),
        ])

    private static let transition = ObjectShape(
        name: "transition", help: "A change of a fault's state.",
        fields: [
            Field("at", seconds, required: true, "Seconds since the run's start."),
            Field("state", faultState, required: true, "State from then on."),
        ])

    private static let matrix = ObjectShape(
        name: "matrix", help: "Who reached whom.",
        fields: [
            Field("endpoints", .list(.object(endpoint), atLeast: 0), required: true, "Rows and columns."),
            Field("cells", .list(.object(cell), atLeast: 0), required: true, "Measured and unmeasured cells."),
            Field("seconds", seconds, required: true, "What the measurement took."),
            Field("longestRoundTripMicros", count, required: true, "Longest answered round trip."),
        ])

    private static let endpoint = ObjectShape(
        name: "endpoint", help: "One who can reach or be reached.",
        fields: [
            Field("id", .text(), required: true, "default/web-1, node/node1."),
            Field("kind", .choice(EndpointKind.allCases.map(\.rawValue)), required: true, "What it is."),
            Field("node", .nullable(.text()), "Node it runs on."),
            Field("namespace", .nullable(.text()), "Namespace of a pod."),
            Field("address", .text(), required: true, "IPv4 address."),
            Field("port", .integer(0...65535), required: true, "Port that answers."),
            Field("labels", .map(.any, .text()), required: true, "Labels."),
            Field("ownName", .text(), "A pod's own name, where the id has another one."),
        ])

    private static let outcome = Shape.text(.outcome)

    private static let cell = ObjectShape(
        name: "cell", help: "An ordered pair over one protocol and port.",
        fields: [
            Field("from", .text(), required: true, "Source's id."),
            Field("to", .text(), required: true, "Destination's id."),
            Field("protocol", .choice(ProbeProtocol.allCases.map(\.rawValue)), required: true, "Protocol."),
            Field("request", .text(), "Name of the request that it is measured with."),
            Field("port", .integer(0...65535), required: true, "Destination port; 0 for ICMP."),
            Field("expected", .nullable(.list(outcome, atLeast: 0)), "Outcomes that are right; null: none expected."),
            Field("observed", outcome, required: true, "What came of it."),
            Field(
                "verdict", .choice(["pass", "fail", "not-measured", "unchecked"]), required: true,
                "A cell that was not measured is never pass."),
            Field("latencyMicros", .nullable(count), "Round trip when answered."),
            Field("attempts", count, required: true, "Probes sent; more than one: a retry took place."),
            Field("why", .list(.object(why), atLeast: 0), required: true, "Places on the path."),
        ])

    private static let why = ObjectShape(
        name: "why", help: "A place on the path and what was seen there.",
        fields: [
            Field("hop", .text(), required: true, "probe, sender-datapath, sender-tap, fabric, receiver-tap, …"),
            Field("node", .nullable(.text()), "Node."),
            Field("detail", .text(), required: true, "One sentence."),
            Field("seen", .nullable(.flag), "Whether the packet was seen there."),
        ])

    private static let health = ObjectShape(
        name: "health", help: "What one agent reports of its peers.",
        fields: [
            Field("node", .text(), required: true, "Who reports."),
            Field("reachable", count, required: true, "Nodes reached, itself included."),
            Field("total", count, required: true, "Nodes known."),
            Field("peers", .list(.object(peer), atLeast: 0), required: true, "Each of them."),
        ])

    private static let peer = ObjectShape(
        name: "peer", help: "A node as another one's agent sees it.",
        fields: [
            Field("name", .text(), required: true, "Name."),
            Field("address", .text(), required: true, "Address."),
            Field("node", .flag, required: true, "Whether the node answers."),
            Field("endpoint", .flag, required: true, "Whether its health endpoint answers."),
        ])

    private static let diagnosis = ObjectShape(
        name: "diagnosis", help: "Root causes found from the evidence.",
        fields: [
            Field("expected", .nullable(.text()), "What the step expects."),
            Field(
                "found", .list(.object(finding), atLeast: 0), required: true,
                "Findings, the one that accounts for most cells first."),
        ])

    private static let finding = ObjectShape(
        name: "finding", help: "A root cause, or unknown.",
        fields: [
            Field("id", .text(.diagnosis), required: true, "underlay/vxlan-port-blocked, …"),
            Field("summary", .text(), required: true, "One sentence."),
            Field("evidence", texts, required: true, "One sentence each."),
            Field("fix", .text(), required: true, "What to do."),
            Field("confidence", .number(0...1), required: true, "0 to 1."),
        ])

    private static let expectation = ObjectShape(
        name: "expectation", help: "One expectation of the step: one test case.",
        fields: [
            Field("name", .text(), required: true, "Unique in its step."),
            Field("state", .choice(["met", "unmet", "inconclusive", "error", "skipped"]), required: true, "State."),
            Field("message", .text(), required: true, "What was expected and what was seen."),
            Field("why", .list(.object(why), atLeast: 0), required: true, "Places on the path."),
            Field("seconds", seconds, required: true, "The time it took."),
            Field("retries", count, required: true, "Rounds in which it was not met before it was."),
            Field("lastUnmet", .text(), "What was seen in the last of these rounds."),
        ])

    private static let artifact = ObjectShape(
        name: "artifact", help: "A file of the report folder.",
        fields: [
            Field("path", .text(), required: true, "Relative to the folder."),
            Field("kind", .text(), required: true, "console, agent-log, flow-log, pcapng, audit-log, …"),
            Field("bytes", .nullable(count), "Size; null when it could not be read."),
            Field("sha256", .nullable(.text()), "Digest, hexadecimal."),
            Field("error", .nullable(.text()), "Why it could not be read."),
        ])
}
