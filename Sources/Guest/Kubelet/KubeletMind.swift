import JSON

/// The mind of a node's kubelet: what is known goes in, what is to be done comes out. It does no I/O, reads no clock and
/// draws no random number that was not given; the same inputs give the same actions.
///
///     loop:  read inputs → take(_:at:) each → carry the actions out
///            wait until `deadline` or the next input, then advance(to:)
///
/// It is called from one thread at a time.
public struct KubeletMind: Sendable {
    /// - Parameters:
    ///   - seed: Makes the identifiers of containers and sandboxes and the jitter of delays; another one every boot.
    public init(_ settings: KubeletSettings, images: ImageCatalogue, seed: UInt64) {
        self.settings = settings
        self.images = images
    }

    let settings: KubeletSettings
    let images: ImageCatalogue

    /// Takes one input.
    /// - Returns: What is to be done now, in order.
    public mutating func take(_ input: KubeletInput, at now: KubeletTime) -> [KubeletAction] { [] }

    /// Does what time alone asks for.
    public mutating func advance(to now: KubeletTime) -> [KubeletAction] { [] }

    /// When `advance` has something to do next, on the monotonic clock; nil if only an input can change anything.
    public var deadline: Duration? { nil }

    // MARK: For the kubelet's API

    /// The objects of all pods, static ones too, with the status that the node knows (`/pods`).
    public var podObjects: [JSONValue] { [] }

    /// The present run of a container, or the one before it.
    /// - Parameter name: nil for the only container of the pod.
    /// - Throws: ``ContainerLookupProblem``, in a kubelet's words.
    public func container(
        _ name: String?, ofPod pod: String, namespace: String, uid: String? = nil, previous: Bool = false
    ) throws(ContainerLookupProblem) -> ContainerIdentity {
        throw ContainerLookupProblem(status: 404, message: "pod \"\(pod)_\(namespace)\" not found")
    }

    /// The identity of the pod of this name that is not gone.
    public func pod(named name: String, namespace: String) -> PodIdentity? { nil }
}

/// Why a request for a container of a pod cannot be answered.
public struct ContainerLookupProblem: Error, Sendable, Hashable {
    /// An HTTP status.
    public var status: Int
    public var message: String
}
