// Contract types follow.
