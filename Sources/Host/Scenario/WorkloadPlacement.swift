import KubeObjects
import Readings

/// A pod that a workload stands for, with its name and its node.
public struct PlannedPod: Sendable, Hashable {
    public var namespace: String
    public var name: String
    public var labels: [String: String]
    public var node: String
    /// The port that answers TCP and UDP echo.
    public var port: UInt16
    /// The ports by which services and policies refer to it.
    public var ports: [Pod.Port]
    /// The programs that run in it.
    public var programs: [ContainerProgram]
    /// The restart policy: `Always`, `OnFailure` or `Never`.
    public var restartPolicy: String
    /// The pod's own name, if an API server has given it one that the matrix does not use; else nil.
    public var ownName: String?

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

    /// The endpoint's id in the matrix, `default/web-1`.
    public var endpointID: String { "\(namespace)/\(name)" }
}

/// Decides which pods there are and where. It depends only on workloads and nodes, so that a file is checked, explained
/// and run by the same rule.
public enum WorkloadPlacement {
    /// The port that answers TCP and UDP echo on every node. It is in the NodePort range, which security groups open.
    public static let nodePort: UInt16 = 30080

    /// The id of a node's endpoint, `node/node1`.
    public static func nodeEndpointID(_ node: String) -> String { "node/\(node)" }

    /// Returns the pods of workloads in their order. A DaemonSet's pods are named `NAME-NODE`. A Deployment's pods are
    /// named `NAME-1` … `NAME-N` and are dealt out to the nodes in turn, from the first node on. A Pod is on its
    /// `nodeName`, or else on the node with the fewest pods so far, and on the first of several such nodes. Without
    /// nodes there are no pods, and a Pod whose `nodeName` is none of them is not there.
    ///
    /// - Parameter places: Where pods are already, by the endpoint's id. They stay there, if it is one of the nodes.
    public static func pods(
        for workloads: [Workload], nodes: [String], keeping places: [String: String] = [:]
    ) -> [PlannedPod] {
        guard !nodes.isEmpty else { return [] }
        var planned: [PlannedPod] = []
        var load: [String: Int] = [:]
        let known = Set(nodes)
        func place(_ workload: Workload, _ name: String, _ usual: String) {
            let node = places["\(workload.namespace)/\(name)"].flatMap { known.contains($0) ? $0 : nil } ?? usual
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
                if let named = workload.nodeName {
                    if known.contains(named) { place(workload, workload.name, named) }
                    continue
                }
                let idle = nodes.indices.min { (load[nodes[$0], default: 0], $0) < (load[nodes[$1], default: 0], $1) }
                place(workload, workload.name, nodes[idle ?? 0])
            }
        }
        return planned
    }

    /// Returns the matrix's endpoints: nodes first, then pods, then services, then the cloud's. Those of nodes, pods
    /// and services have no addresses yet.
    static func endpoints(
        for workloads: [Workload], objects: [ClusterObject] = [], nodes: [String], cloud: [Endpoint] = [],
        keeping places: [String: String] = [:]
    ) -> [Endpoint] {
        let services = objects.compactMap { $0.object as? Service }
        return ownEndpoints(for: workloads, nodes: nodes, keeping: places)
            + ServiceEndpoints.endpoints(of: services, nodes: nodes.map { ($0, "") }) + cloud
    }

    private static func ownEndpoints(
        for workloads: [Workload], nodes: [String], keeping places: [String: String]
    ) -> [Endpoint] {
        nodes.map { node in
            Endpoint(
                id: nodeEndpointID(node), kind: .node, node: node, namespace: nil, address: "", port: nodePort,
                labels: ["kubernetes.io/hostname": node])
        }
            + pods(for: workloads, nodes: nodes, keeping: places).map { pod in
                Endpoint(
                    id: pod.endpointID, kind: .pod, node: pod.node, namespace: pod.namespace, address: "",
                    port: pod.port, labels: pod.labels)
            }
    }
}
