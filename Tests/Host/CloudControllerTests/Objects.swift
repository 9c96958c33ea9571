import CloudAPI
import JSON

@testable import CloudController

/// Objects as an API server has them, from short texts.
func object(_ text: String) throws -> JSONValue { try JSONText.value(of: Array(text.utf8)) }

func pod(_ name: String, _ spec: String = "{}", labels: String = "{}", node: String? = nil) throws -> ScheduledPod {
    var pod = try ScheduledPod(
        try object(
            """
            {"metadata": {"namespace": "default", "name": "\(name)", "uid": "u-\(name)", "labels": \(labels)},
             "spec": \(spec),
             "status": {"phase": "Pending", "conditions": [
               {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]}}
            """))
    if let node {
        pod.node = node
        pod.phase = "Running"
        pod.isUnschedulable = false
    }
    return pod
}

func requests(_ cpu: String, _ memory: String = "64Mi") -> String {
    #"{"containers": [{"name": "c", "resources": {"requests": {"cpu": "\#(cpu)", "memory": "\#(memory)"}}}]}"#
}

func pool(_ name: String = "default", template: String = "{}", spec: String = "") throws -> NodePool {
    try NodePool(
        try object(
            """
            {"metadata": {"name": "\(name)", "uid": "u-\(name)"},
             "spec": {\(spec.isEmpty ? "" : spec + ",") "template": {"spec": \(template)}}}
            """))
}

let small = CloudMachineType(
    name: "t3.medium", zone: "lab-1a", region: "lab-1",
    capacity: ["cpu": "4", "memory": "8Gi", "pods": "110"], allocatable: ["cpu": "4", "memory": "8Gi", "pods": "110"])

func simulate(
    _ pods: [ScheduledPod], _ pools: [NodePool], types: [CloudMachineType] = [small], unavailable: Set<String> = [],
    daemonSets: [ScheduledPod] = [], rooms: [NodeRoom] = [], used: [String: ResourceAmounts] = [:]
) -> Simulation {
    var simulation = Simulation(
        pools: pools, types: types, unavailable: unavailable, daemonSets: daemonSets, rooms: rooms, used: used)
    simulation.place(pods)
    return simulation
}

func node(
    _ name: String, taints: [Taint] = [], labels: [String: String] = [:], ready: Bool = true, providerID: String = ""
) -> KubeNode {
    var node = KubeNode(name: ObjectName(name: name, uid: "u-\(name)"))
    node.taints = taints
    node.labels = labels
    node.ready = ready ? "True" : "False"
    node.providerID = providerID
    node.resourceVersion = "7"
    node.allocatable = small.allocatableAmounts
    node.capacity = small.capacityAmounts
    return node
}

func machine(_ name: String, _ state: CloudMachine.State = .running, token: String = "") -> CloudMachine {
    CloudMachine(
        instanceID: "i-\(name)", node: name, state: state, instanceType: "t3.medium", zone: "lab-1a", region: "lab-1",
        privateAddress: "10.0.0.13", publicAddress: "198.51.100.13", privateName: "\(name).internal",
        clientToken: token)
}
