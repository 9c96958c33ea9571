/// The differences between the lab's own kubelet and Kubernetes' that stay, each with its reason.
public enum KnownDifferences {
    public static let all: [KnownDifference] = []
}
