import KubeObjects
import Readings

/// A pod that a workload stands for: its name and its node.
public struct PlannedPod: Sendable, Hashable {
    public var namespace: String
    public var name: String
    public var labels: [String: String]
    public var node: String
    /// Answers TCP and UDP echo.
    public var port: UInt16
    /// Ports by which services and policies call it.
    public var ports: [Pod.Port]
    /// What runs in it besides.
    public var programs: [ContainerProgram]
    /// `Always`, `OnFailure` or `Never`.
    public var restartPolicy: String

    public init(
        namespace: String, name: String, labels: [String: String], node: String, port: UInt16,
        ports: [Pod.Port] = [], programs: [ContainerProgram] = [], restartPolicy: String = "Always"
    ) {
        self.programs = programs
        self.restartPolicy = restartPolicy
        self.namespace = namespace
        self.name = name
        self.labels = labels
        self.node = node
        self.port = port
        self.ports = ports
    }

    /// `default/web-1`: its endpoint's id in the matrix.
    public var endpointID: String { "\(namespace)/\(name)" }
}

/// Which pods there are and where: a pure function of workloads and nodes, so that a file can be checked, explained and
/// run by the same rule.
public enum WorkloadPlacement {
    /// Port that answers TCP and UDP echo on every node: within the NodePort range that security groups open.
    public static let nodePort: UInt16 = 30080

    /// `node/node1`: a node's endpoint id.
    public static func nodeEndpointID(_ node: String) -> String { "node/\(node)" }

    /// The pods of workloads in their order. A DaemonSet's are named `NAME-NODE`; a Deployment's `NAME-1` … `NAME-N`,
    /// dealt out to the nodes in turn, from the first; a Pod is on its `nodeName`, else on the node with the fewest
    /// pods so far, the first of several such. Without nodes there are none.
    public static func pods(for workloads: [Workload], nodes: [String]) -> [PlannedPod] {
        guard !nodes.isEmpty else { return [] }
        var planned: [PlannedPod] = []
        var load: [String: Int] = [:]
        func place(_ workload: Workload, _ name: String, _ node: String) {
            load[node, default: 0] += 1
            planned.append(
                PlannedPod(
                    namespace: workload.namespace, name: name, labels: workload.labels, node: node,
                    port: workload.port, ports: workload.ports, programs: workload.programs,
                    restartPolicy: workload.restartPolicy))
        }
        for workload in workloads {
            switch workload.kind {
            case .daemonSet:
                for node in nodes { place(workload, "\(workload.name)-\(node)", node) }
            case .deployment:
                for index in 0..<max(0, workload.replicas) {
                    place(workload, "\(workload.name)-\(index + 1)", nodes[index % nodes.count])
                }
            case .pod:
                let idle = nodes.indices.min { (load[nodes[$0], default: 0], $0) < (load[nodes[$1], default: 0], $1) }
                place(workload, workload.name, workload.nodeName ?? nodes[idle ?? 0])
            }
        }
        return planned
    }

    /// The matrix's endpoints, those of nodes, pods and services without their addresses: nodes first, then pods, then
    /// services, then the cloud's.
    static func endpoints(
        for workloads: [Workload], objects: [ClusterObject] = [], nodes: [String], cloud: [Endpoint] = []
    ) -> [Endpoint] {
        let services = objects.compactMap { object in if case .service(let service) = object { service } else { nil } }
        return ownEndpoints(for: workloads, nodes: nodes)
            + ServiceEndpoints.endpoints(of: services, nodes: nodes.map { ($0, "") }) + cloud
    }

    private static func ownEndpoints(for workloads: [Workload], nodes: [String]) -> [Endpoint] {
        nodes.map { node in
            Endpoint(
                id: nodeEndpointID(node), kind: .node, node: node, namespace: nil, address: "", port: nodePort,
                labels: ["kubernetes.io/hostname": node])
        }
            + pods(for: workloads, nodes: nodes).map { pod in
                Endpoint(
                    id: pod.endpointID, kind: .pod, node: pod.node, namespace: pod.namespace, address: "",
                    port: pod.port, labels: pod.labels)
            }
    }
}
