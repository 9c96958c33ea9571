import KubeletServer

extension KubeletService {
    /// Serves the kubelet's HTTPS API until the task is cancelled.
    func serve() async {
        guard configuration.serving != nil else { return }
    }
}
