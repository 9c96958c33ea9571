public import KubeObjects

/// Where the objects and pods of a cluster are: in the harness, which is told by files, or in an API server.
public protocol ObjectStore: Sendable {
    /// The objects in the form in which agents get them.
    var objects: ClusterObjects { get async }
    var services: [Service] { get }
    /// The pods that run and have an address.
    var runningPods: [Cluster.RunningPod] { get async }
    /// The pods that should run and do not.
    var waitingPods: [WaitingPod] { get }
}
