"""Whether two registrations are of one thing: pure comparison of users and of assets."""
